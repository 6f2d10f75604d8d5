# ruff: noqa: F821  (web2py itself gives these names)
"""A page of 120 rows made by helpers in a view, about 10 KB."""


def index():
    session.forget(response)
    rows = [{"id": number, "name": f"Article {number}", "price": number * 7 % 100} for number in range(1, 121)]
    return {"rows": rows}
