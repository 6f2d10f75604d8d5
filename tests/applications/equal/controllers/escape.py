# ruff: noqa: F821  (web2py itself gives these names)
"""Values of every type on their way into a page: as text, in attributes, in addresses, in JSON."""

import collections
import datetime
import decimal

session.forget(response)

WORDS = "<b>&amp; & \"double\" 'single' `back` </script> é ☃ 😀 \t\x00 %(x)s {{=1}}"


class Shown:
    def __str__(self):
        return "<shown & 'quoted'>"


class Marked:
    def xml(self):
        return "<i>its own & xml</i>"


class Odd:
    """Not a method: it is no markup."""

    xml = "<i>no method</i>"

    def __str__(self):
        return "<odd>"


class Loud(str):
    def __str__(self):
        return "<loud>"


class Safe(str):
    def xml(self):
        return "<em>%s</em>" % str.__str__(self)


class Raw(bytes):
    pass


class Number(int):
    def __str__(self):
        return "<number>"


class Failing:
    def __str__(self):
        raise ValueError("it has no text")


def values():
    return {
        "str": WORDS,
        "empty": "",
        "plain": "nothing to escape",
        "long": WORDS * 200,
        "quotes": "\"\"\"'''",
        "already": "&lt;&amp;lt;&#x27;&quot;",
        "crossing": "a\r\nb\rc\n",
        "latin": "äöüß",
        "wide": "\u2028\u2029\ufeff\U0001f600",
        "surrogate": "half \ud83d of one",
        "bytes": WORDS.encode(),
        "not_utf8": b"\xff\xfe<\x80>",
        "bytearray": bytearray(b"<bytearray>"),
        "raw": Raw(b"<raw & 'bytes'>"),
        "loud": Loud("<b>quiet</b>"),
        "safe": Safe("<b>safe</b>"),
        "none": None,
        "true": True,
        "false": False,
        "int": 42,
        "big": 10**40,
        "number": Number(7),
        "float": 1.5,
        "nan": float("nan"),
        "complex": 1 + 2j,
        "decimal": decimal.Decimal("1.10"),
        "date": datetime.date(2001, 2, 3),
        "time": datetime.time(4, 5, 6),
        "datetime": datetime.datetime(2001, 2, 3, 4, 5, 6, 789),
        "list": ["<a>", 1, None, b"<b>", ["'"]],
        "tuple": ("<a>", "&"),
        "dict": {"<k>": "<v>", "n": {"'": '"'}},
        "ordered": collections.OrderedDict([("<k>", "<v>")]),
        "storage": request.args.__class__([1, "<2>"]),
        "lazy": T("Hello <World> & 'you'"),
        "lazy_words": T("Hello %s & %s") % ("<you>", "'me'"),
        "lazy_named": T("Hello %(name)s", {"name": "<b>you</b>"}),
        "lazy_xml": T.M("**bold** <i>"),
        "xml": XML("<i>markup & more</i>"),
        "sanitized": XML("<i onclick='x'><script>alert(1)</script><a href='javascript:x'>a</a></i>", sanitize=True),
        "helper": B("<bold>", _class="'\"<>&"),
        "nested": DIV(P("<p>", SPAN("'", I(None), B(1), XML("<u>"))), [EM("<em>")], _id="<id>"),
        "deep": _deep(30),
        "cat": CAT("<", B("b"), ">", XML("&")),
        "joined": B("<") + "<text>",
        "shown": Shown(),
        "marked": Marked(),
        "odd": Odd(),
        "class": Shown.__name__,
        "failing": Failing(),
    }


def _deep(levels):
    node = SPAN("<core>")
    for number in range(levels):
        node = DIV(node, _title="%s<" % number)
    return node


def _value():
    found = values()
    if request.args(0) not in found:
        raise HTTP(404)
    return found[request.args(0)]


def names():
    return response.json([*values()])


def text():
    """As the text of elements."""
    value = _value()
    return DIV(value, P(value, value), TAG.custom(value), CAT(value), SPAN("before ", value, " after")).xml()


def attribute():
    """As the value of attributes, of all sorts."""
    value = _value()
    found = DIV(
        A("a link", _href=value, _title=value),
        INPUT(_value=value, _name="x", _type="text"),
        INPUT(_type="checkbox", value=value, _name="y"),
        OPTION("o", _value=value),
        TEXTAREA(_name="z", value=value),
        DIV(data={"held": value}, _hidden=True, _title=None, _lang=False),
        **{"_data-x": value},
    )
    return found.xml()


def shown():
    """In a view."""
    return {"value": _value()}


def json():
    value = _value()
    return response.json({"value": value} if not hasattr(value, "xml") else value.xml())


def address():
    value = _value()
    link = A(value, _href=URL("x", vars={"a": [value, value]}, anchor="n"))
    return CAT(URL("x", args=[value], vars={"v": value}), BR(), link).xml()


def helpers():
    """One of each helper of web2py."""
    w = WORDS.replace("\x00", "")
    rows = [A(w, callback=URL("x"), target="t"), A(w, component=URL("x"), target="t"), A(w, cid="c", _href="#")]
    rows += [A(w, _href="javascript:'<'", delete="tr"), A(T("Hello"), _class=w), A(_href="x"), A(1, _href=2)]
    rows += [BEAUTIFY({"a": [w, {"b": (1, w)}], "c": None}), TAG.blockquote(w), CENTER(w)]
    rows += [CODE("def f(x):\n  return '<'"), LINK(_href=w)]
    rows += [COL(_width=1), COLGROUP(COL()), EMBED(_src=w), FIELDSET(w), FORM(w, _action=w), H1(w), HR(), IFRAME(w)]
    rows += [IMG(_src=w, _alt=w), INPUT(_type="radio", _value=w, value=w), LABEL(w, _for="x"), LEGEND(w), LI(w)]
    rows += [MARKMIN("**b** <i> ``c``:python\n- one\n- two"), MENU([[w, False, URL("x"), [[w, True, w, []]]]]), META()]
    rows += [OBJECT(w), OL(w, w), UL(LI(w), w), OPTGROUP(OPTION(w), _label=w), PRE(w), SCRIPT("if (a < b && '</') {}")]
    rows += [SELECT(w, OPTION(1, _value="1"), value="1"), SELECT("a", "b", value=["a", "b"], _multiple=True)]
    rows += [STYLE("a > b {}"), TABLE(TR(w, TD(w)), [w, w]), TABLE(THEAD(TR(TH(w))), TBODY(TR(w)), TFOOT(TR(w)))]
    rows += [TITLE(w), TT(w), XHTML(BODY(w), lang="x"), HTML(HEAD(TITLE(w)), BODY(w)), TAG["a:b"](w), TAG[""](w, B(w))]
    rows += [DIV(w).elements("b"), DIV(P(w, _class="c"), P(2)).elements("p.c", replace="<r>"), str(DIV(w))]
    rows += [ASSIGNJS(a=w)]
    rows += [DIV(P(w)).flatten(), XML(w).flatten(), len(DIV(1, 2)), DIV(w)[0], SPAN(*[w, None, 0, "", False]), URL(w)]
    return DIV(*rows).xml()
