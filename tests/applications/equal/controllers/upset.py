"""Its model fails."""


def index():
    return "never reached"
