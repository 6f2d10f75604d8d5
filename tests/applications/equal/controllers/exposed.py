# ruff: noqa
# fmt: off
"""Which functions are pages is read from the source: here are all ways to write one."""
session.forget(response)


def plain():
    return "plain"


def spaced( ):
    return "spaced"


def commented():  # a comment
    return "commented"


def   wide   ():
    return "wide"


def given(word="default"):
    return "given"


def starred(*args):
    return "starred"


def two_lines(
):
    return "two_lines"


def typed() -> str:
    return "typed"


@cache("x", time_expire=1, cache_model=cache.ram)
def with_decorator():
    return "with_decorator"


def _hidden():
    return "hidden"


def __hidden():
    return "hidden"


def under_score_():
    return "under_score_"


if True:
    def indented():
        return "indented"


class Holder:
    def method():
        return "method"


def outer():
    def inner():
        return "inner"
    return inner()


TEXT = """
def in_text():
    return "in_text"
"""

lambda_function = lambda: "lambda"

def numbered1(): return "numbered1"
# def in_comment(): return 1
def a_1(): return __name__
