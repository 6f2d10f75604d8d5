# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: check values against a role's argument specification.

Ansible's own validation stops at the first kind of fault and does not know the nearest right word; an
administrator wants every fault at once, each with the variable, the value and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._run import masked

# What a task is given that resolves the choices for a host.
RESOLVING = {
    "host": {"type": "dict", "required": True},
    "purpose": {"choices": ["build", "look"], "default": "build"},
}


class Problem(NamedTuple):
    """One reason not to start: the variable, its value as it may be shown, what is wrong, what to do."""

    variable: str
    value: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.variable}{shown}: {self.fault}. {self.remedy}."


def shown(value: object, secret: bool = False) -> str:
    """The value as a message may show it: short, and never a secret."""
    if secret:
        return "(not shown)"
    text = masked(repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= 80 else text[:77] + "..."


def refusal(where: str, problems: Sequence[Problem]) -> dict[str, Any]:
    """The result of a task that found problems before anything was changed, all of them numbered."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"  {number}. {problem}" for number, problem in enumerate(problems, 1)]
    return {
        "failed": True,
        "problems": [str(problem) for problem in problems],
        "msg": "\n".join([f"Nothing was changed: {count} {where}", *lines]),
    }


def nearest(word: str, words: list[str]) -> str:
    """The remedy for an unknown word: the nearest right one, or all of them."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"The nearest known name is {close[0]}" if close else "Known are " + ", ".join(sorted(words))


_WORDS = {
    "str": "text",
    "path": "a path",
    "bool": "true or false",
    "int": "a whole number",
    "list": "a list",
    "dict": "a mapping (key: value)",
}


def _converted(kind: str, value: Any) -> Any:
    """The value in its type; raises TypeError where it is not of that type.

    Values from the command line are text, hence `true` and `10` are read from text too. A number where text
    is wanted is refused: YAML has already changed it (2.30 is 2.3, 0640 is 416).
    """
    if kind in ("str", "path") and isinstance(value, str):
        return value
    if kind == "bool":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    if kind == "int":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lstrip("-").isdigit():
            return int(value)
    if kind == "list" and isinstance(value, (list, tuple)):
        return list(value)
    if kind == "dict" and isinstance(value, Mapping):
        return dict(value)
    raise TypeError(kind)


def validate(
    options: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "", defaults: bool = True
) -> tuple[dict[str, Any], list[Problem]]:
    """Check values against the `options` of an argument specification.

    Returns the values in their types, defaults filled in (unless `defaults` is false), and all problems.
    """
    result: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in values:
        if name not in options:
            problems.append(Problem(prefix + str(name), "", "unknown name", nearest(str(name), list(options))))
    for name, option in options.items():
        value = values.get(name)
        if value is None:
            if option.get("required"):
                problems.append(Problem(prefix + name, "", "missing", "It must be given"))
            elif defaults or "default" not in option:
                result[name] = option.get("default")
            continue
        result[name], found = _value(prefix + name, option, value)
        problems += found
    return result, problems


def _example(option: Mapping[str, Any], value: Any) -> str:
    """The mapping that a bare word was meant for, or nothing."""
    keys = [key for key, row in option.get("options", {}).items() if value in row.get("choices", ())]
    return f"{{{keys[0]}: {value}}}" if keys else ""


def _value(variable: str, option: Mapping[str, Any], value: Any) -> tuple[Any, list[Problem]]:
    kind = option.get("type", "str")
    secret = bool(option.get("no_log"))
    try:
        value = _converted(kind, value)
    except TypeError:
        number = kind in ("str", "path") and isinstance(value, (int, float))
        example = _example(option, value) if kind == "dict" else ""
        remedy = f"Give {example or _WORDS[kind]}"
        if number:
            remedy = "Quote it, because YAML changes a number or a yes before it is read"
        return value, [Problem(variable, shown(value, secret), f"must be {_WORDS[kind]}", remedy)]
    if "choices" in option and value not in option["choices"]:
        words = [str(word) for word in option["choices"]]
        close = difflib.get_close_matches(str(value), words, n=1)
        hint = f" (the nearest is {close[0]})" if close else ""
        return value, [
            Problem(variable, shown(value, secret), "is not a word for it", "Use one of " + ", ".join(words) + hint)
        ]
    problems: list[Problem] = []
    if kind == "dict" and "options" in option:
        value, problems = validate(option["options"], value, variable + ".")
    elif kind == "list" and "elements" in option:
        element = {"type": option["elements"], **{key: option[key] for key in ("options", "no_log") if key in option}}
        checked = [_value(f"{variable}[{index}]", element, item) for index, item in enumerate(value)]
        value = [item for item, _found in checked]
        problems = [problem for _item, found in checked for problem in found]
    return value, problems
