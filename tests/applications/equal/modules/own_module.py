"""A module of the application."""


def said(words):
    return "said %s" % words
