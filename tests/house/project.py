"""Rules for plugins, tests and the project as a whole. Each takes the tree and returns what breaks it."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.house.tree import Tree
from tools.docs import documentation

HEADER = """# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
CODE_LINES = {
    "plugins/modules/*.py": 150,
    "plugins/action/*.py": 150,
    "plugins/filter/*.py": 60,
    "plugins/module_utils/*.py": 350,
}
# What a scenario chooses; what all have stands once.
SCENARIO_LINES = 32
DOCUMENTS = ("DOCUMENTATION", "EXAMPLES", "RETURN")
# Put together here so that this file does not hold what it looks for.
FOREIGN_PATHS = re.compile("|".join(("/wo" + "rk/", "/tmp/" + r"w[t/]\b", "/ro" + r"ot/(?!\.ssh)")))


def plugins_are_headed_and_short(tree: Tree) -> list[str]:
    plugins = tree.match("plugins/**/*.py")
    found = [f"{name}: no licence header" for name in plugins if HEADER not in tree.text(name)]
    for pattern, limit in CODE_LINES.items():
        for name in tree.match(pattern):
            count = code_lines(tree.text(name))
            found += [f"{name}: {count} lines of code, at most {limit}"] if count > limit else []
    return found


def code_lines(text: str) -> int:
    """Count lines that are neither empty, comment nor documentation."""
    silent: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.Assign, ast.Expr)):
            continue
        name = getattr(node.targets[0], "id", "") if isinstance(node, ast.Assign) else "docstring"
        if name in DOCUMENTS or (name == "docstring" and isinstance(node.value, ast.Constant)):
            silent.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        1 for number, line in lines if number not in silent and line.strip() and not line.strip().startswith("#")
    )


def module_utils_are_pure_and_private(tree: Tree) -> list[str]:
    found = []
    for name in tree.match("plugins/module_utils/**/*.py"):
        found += [f"{name}: its name begins with no underscore"] if not Path(name).name.startswith("_") else []
        for node in ast.walk(ast.parse(tree.text(name))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{name}: imports {module}" for module in imported if re.match(r"ansible(\.|$)", module)]
    return found


def modules_are_documented(tree: Tree) -> list[str]:
    """Options as in the argument spec, modes of running said and kept, one version_added.

    A module with an action plugin of its name is its documentation only.
    """
    actions = {Path(name).name for name in tree.match("plugins/action/*.py")}
    found = []
    for name in tree.match("plugins/modules/*.py"):
        text = tree.text(name)
        documented = documentation(tree.root / name)
        found += [f"{name}: no {word}" for word in DOCUMENTS if f"\n{word} = " not in text]
        found += [
            f"{name}: attribute {word} is missing"
            for word in ("check_mode", "diff_mode")
            if word not in documented.get("attributes", {})
        ]
        if "supports_check_mode=True" not in text and Path(name).name not in actions:
            found.append(f"{name}: no supports_check_mode=True")
        if "version_added" not in documented or "version_added" in str(documented.get("options")):
            found.append(f"{name}: version_added belongs to the module, not to its options")
        real = argument_spec(text)
        if real is not None and real != set(documented.get("options", {})):
            found.append(
                f"{name}: documented and real options differ: {sorted(real ^ set(documented.get('options', {})))}"
            )
    return found


def argument_spec(text: str) -> set[str] | None:
    """The options a module takes, None when they are not written as one dict (then the sanity test must do)."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg == "argument_spec":
            if isinstance(node.value, ast.Dict):
                return {str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)}
            if isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "dict":
                return {str(keyword.arg) for keyword in node.value.keywords}
    return None


def action_group_lists_all_modules(tree: Tree) -> list[str]:
    listed = tree.yaml("meta/runtime.yml").get("action_groups", {}).get("deploy", [])
    modules = [Path(name).stem for name in tree.match("plugins/modules/*.py")]
    found = [f"meta/runtime.yml: {name} is missing in the group deploy" for name in modules if name not in listed]
    return found + [f"meta/runtime.yml: {name} is no module" for name in listed if name not in modules]


def pure_code_has_unit_tests(tree: Tree) -> list[str]:
    """Entry files are thin; a unit test imports what they call."""
    tests = "".join(tree.text(name) for name in tree.match("tests/unit/**/*.py"))
    names = tree.match("plugins/module_utils/**/*.py", "plugins/plugin_utils/**/*.py")
    return [f"{name}: no unit test imports it" for name in names if not re.search(rf"\b{Path(name).stem}\b", tests)]


def scenarios_hold_no_copies(tree: Tree) -> list[str]:
    found = []
    for name in tree.match("molecule/**/*"):
        parts = name.split("/")
        known = parts[1] == "shared" or parts[2:] == ["molecule.yml"] or parts[2] == "inventory"
        found += [f"{name}: only molecule.yml and inventory/ belong into a scenario"] if not known else []
        if parts[-1] == "molecule.yml" and tree.lines(name) > SCENARIO_LINES:
            found.append(f"{name}: {tree.lines(name)} lines, at most {SCENARIO_LINES}")
    return found


def no_two_files_are_equal(tree: Tree) -> list[str]:
    """A single line is no copy."""
    twins: dict[str, list[str]] = defaultdict(list)
    for name in tree.files:
        if (tree.root / name).read_bytes().count(b"\n") < 2:
            continue
        twins[hashlib.sha256((tree.root / name).read_bytes()).hexdigest()].append(name)
    return [f"equal: {', '.join(names)}" for names in twins.values() if len(names) > 1]


def no_file_is_empty(tree: Tree) -> list[str]:
    return [f"{name}: empty" for name in tree.files if not (tree.root / name).read_bytes().strip()]


def no_path_of_a_workshop(tree: Tree) -> list[str]:
    found = []
    for name in tree.files:
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            match = FOREIGN_PATHS.search(line)
            found += [f"{name}:{number}: {match[0]}"] if match else []
    return found


def top_playbook_is_three_lines(tree: Tree) -> list[str]:
    return [] if tree.lines("site.yml") == 3 else ["site.yml: not three lines"]


def fragments_are_valid(tree: Tree) -> list[str]:
    """A section antsibull-changelog knows, a list of sentences."""
    known = {section[0] for section in tree.yaml("changelogs/config.yaml")["sections"]} | {"release_summary", "trivial"}
    found = []
    for name in tree.match("changelogs/fragments/*"):
        for section, entries in dict(tree.yaml(name)).items():
            found += [f"{name}: unknown section {section}"] if section not in known else []
            if section == "release_summary":
                continue
            if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
                found.append(f"{name}: {section} is no list of sentences")
            else:
                found += [f"{name}: no period after '{entry}'" for entry in entries if not entry.rstrip().endswith(".")]
    return found


def commands_in_the_papers_exist(tree: Tree) -> list[str]:
    """Playbooks, files, inventories, make targets and variables that the documentation names."""
    found = []
    targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", tree.text("Makefile"), re.MULTILINE))
    playbooks = {f"web2py.deploy.{Path(name).stem}" for name in tree.match("playbooks/*.yml")}
    variables = known_variables(tree)
    for name in tree.match("README.md", "CONTRIBUTING.md", "docs/**/*.md", "roles/*/README.md"):
        text = tree.text(name)
        made = set(re.findall(r"^\s*cp -r \S+ (\S+)", text, re.MULTILINE))
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                words = line.split()
                if "ansible-playbook" in words:
                    found += [f"{name}: {word}" for word in lost_words(tree, words, playbooks, made)]
                if words[:1] == ["cp"] and len(words) > 2 and not (tree.root / words[-2]).exists():
                    found.append(f"{name}: {words[-2]} does not exist")
            if language in ("yaml", "yml", "ini"):
                unknown = set(re.findall(r"^\s*(web2py_\w+) *[:=]", block, re.MULTILINE)) - variables
                found += [f"{name}: unknown variable {word}" for word in sorted(unknown)]
        for target in re.findall(r"`make ([\w-]+)|^make ([\w-]+)", text, re.MULTILINE):
            word = target[0] or target[1]
            found += [f"{name}: no make target {word}"] if targets and word not in targets else []
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
            found += [] if (tree.root / name).parent.joinpath(link).exists() else [f"{name}: link to {link}"]
    return found


def headings_of_troubles_are_messages(tree: Tree) -> list[str]:
    """An administrator searches for the words of a message: each stands so in the code, with ... for what varies."""
    name = "docs/troubleshooting.md"
    part = re.search(r"^# What a run says\n(.*?)(?=^# |\Z)", tree.text(name), re.MULTILINE | re.DOTALL)
    words = re.findall(r"^## (.*)", part[1], re.MULTILINE) if part else []
    code = "".join(tree.text(path) for path in tree.match("plugins/**/*.py", "roles/*/tasks/*.yml"))
    return [
        f"{name}: no message says '{piece.strip()}'"
        for heading in words
        for piece in heading.split("...")
        if piece.strip() not in code
    ]


def lost_words(tree: Tree, words: list[str], playbooks: set[str], made: set[str]) -> list[str]:
    """What an ansible-playbook line names and the checkout does not have."""
    found = []
    for before, word in zip(["", *words], words, strict=False):
        if before in ("-i", "--inventory"):
            if "/" in word and word.rstrip("/") not in made and not (tree.root / word).exists():
                found.append(f"inventory {word} does not exist")
        elif word.startswith("web2py.deploy."):
            found += [f"playbook {word} does not exist"] if word not in playbooks else []
        elif word.endswith(".yml") and not word.startswith("@") and not (tree.root / word).exists():
            found.append(f"playbook {word} does not exist")
    return found


def known_variables(tree: Tree) -> set[str]:
    """All inputs of all roles and playbooks, and the groups of hosts, which share the prefix."""
    found = {
        f"web2py_{group}" for group in ["web", "database", "redis", "memcached", "storage", "balancer", "scheduler"]
    }
    found |= {"web2py_resolved", "web2py_host"}
    for name in tree.match("roles/*/meta/argument_specs.yml"):
        entries: dict[str, Any] = tree.yaml(name)["argument_specs"]
        found |= {key for entry in entries.values() for key in entry.get("options") or {}}
    for name in tree.match("playbooks/**/*.yml"):
        found |= set(re.findall(r"web2py_\w+", tree.text(name)))
    return found
