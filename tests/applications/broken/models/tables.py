raise RuntimeError("this application is broken, so that a release with it is refused")
