"""Write what the documentation says twice: tables from argument specs and lists from the collection's own files.

A generated block stands between `<!-- BEGIN GENERATED: NAME -->` and `<!-- END GENERATED -->`: `spec` in
roles/*/README.md, `choices`, `pairs` and `content` in README.md. With --check nothing is written, stale files are
named and the exit status is 1.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

MARKUP = [
    (r"L\(([^,()]*), *([^()]*)\)", r"[\1](\2)"),
    (r"U\(([^()]*)\)", r"<\1>"),
    (r"B\(([^()]*)\)", r"**\1**"),
    (r"I\(([^()]*)\)", r"*\1*"),
    (r"\b[OVCMEP]\(((?:[^()]|\([^()]*\))*)\)", r"`\1`"),
]


def stale(root: Path) -> dict[Path, str]:
    """Return the files whose generated blocks differ from their sources, with the text they should have."""
    wanted: dict[Path, str] = {}
    for spec in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        page = spec.parent.parent / "README.md"
        if page.exists():
            wanted[page] = put(page.read_text(), "spec", role_block(load(spec)), required=True)
    page = root / "README.md"
    if page.exists():
        text = page.read_text()
        choices = root / "roles/site/meta/argument_specs.yml"
        if choices.exists():
            text = put(text, "choices", table(load(choices)["argument_specs"]["main"]["options"]))
        text = put(text, "pairs", pairs_block(root))
        wanted[page] = put(text, "content", content_block(root))
    return {page: text for page, text in wanted.items() if page.read_text() != text}


def pairs_block(root: Path) -> str:
    """Every application server with every front end: the scenario that shows the pair, or what is not."""
    source = root / "plugins/module_utils/_backend.py"
    if not source.exists():
        return ""
    backend = SimpleNamespace(**runpy.run_path(str(source)))
    rows = [["`web2py_app_server`", *(f"`{name}`" for name in backend.FRONT_ENDS)]]
    for server in backend.APP_SERVERS:
        row = [f"`{server}`"]
        for front_end in backend.FRONT_ENDS:
            if server not in backend.servers_of(front_end):
                row.append("refused")
                continue
            in_turn = backend.APP_SERVERS[server].role == "anyserver"
            scenario = root / "molecule" / f"{front_end}_{server}" / "molecule.yml"
            if scenario.is_file():
                # What `make test` has not got, somebody has to bring.
                shown = "run by hand" if "CHEROKEE_TEST_PACKAGE" in scenario.read_text() else "runs"
            elif in_turn and (root / "molecule" / f"{front_end}_anyservers").is_dir():
                shown = "runs in part"
            else:
                shown = "not run"
            row.append(f"{backend.protocol(front_end, server)}, {shown}")
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    dead = [f"- `{name}` {words}." for name, words in backend.DEAD.items()]
    return "\n".join([*lines, "", "Names of upstream's `anyserver.py` that are refused:", "", *dead]) + "\n"


def put(text: str, name: str, block: str, *, required: bool = False) -> str:
    """Replace the block of that name. A page without its markers is left alone unless the block is required."""
    pattern = re.compile(rf"(<!-- BEGIN GENERATED: {name} -->\n).*?(<!-- END GENERATED -->)", re.DOTALL)
    if not pattern.search(text):
        if required:
            note = f"<!-- BEGIN GENERATED: {name} -->\n\n{block}\n<!-- END GENERATED -->\n"
            return f"{text.rstrip()}\n\n{note}"
        return text
    return pattern.sub(lambda match: f"{match[1]}\n{block}\n{match[2]}", text)


def role_block(spec: dict[str, Any]) -> str:
    parts = []
    for name, entry in spec["argument_specs"].items():
        parts.append(f"### Entry point `{name}`\n\n{prose(entry['short_description'])}.\n")
        parts.append(prose(entry.get("description", "")) + "\n" if entry.get("description") else "")
        parts.append(table(entry["options"]) if entry.get("options") else "No variables.\n")
    return "\n".join(filter(None, parts))


def table(options: dict[str, Any]) -> str:
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows(options)]
    return "\n".join(lines) + "\n"


def rows(options: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, option in options.items():
        path = f"{above}.{name}" if above else name
        kind = option.get("type", "str")
        if kind == "list":
            kind = f"list of {option.get('elements', 'any')}"
        if option.get("choices"):
            kind = ", ".join(f"`{plain(choice)}`" for choice in option["choices"])
        default = (
            f"`{plain(option['default'])}`" if "default" in option else "required" if option.get("required") else ""
        )
        yield f"`{path}`", kind, default, prose(option["description"])
        yield from rows(option.get("options", {}), f"{path}[]" if option.get("type") == "list" else path)


def plain(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def prose(text: str | list[str]) -> str:
    """Turn a description with Ansible's markup into one line of Markdown."""
    line = " ".join(" ".join([text] if isinstance(text, str) else text).split())
    for pattern, replacement in MARKUP:
        line = re.sub(pattern, replacement, line)
    return line


def content_block(root: Path) -> str:
    """List what the collection holds, one line each."""
    groups: dict[str, list[tuple[str, str]]] = {"Playbooks": [], "Roles": [], "Modules": [], "Filters": []}
    for page in sorted(root.glob("playbooks/*.yml")):
        first = page.read_text().removeprefix("---\n").partition("\n")[0]
        groups["Playbooks"].append((f"web2py.deploy.{page.stem}", first.lstrip("# ") if first.startswith("#") else ""))
    for spec in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        summary = load(spec)["argument_specs"]["main"]["short_description"]
        groups["Roles"].append((f"web2py.deploy.{spec.parent.parent.name}", summary))
    for heading, folder in (("Modules", "modules"), ("Filters", "filter")):
        for page in sorted(root.glob(f"plugins/{folder}/*.py")):
            groups[heading].append((f"web2py.deploy.{page.stem}", documentation(page)["short_description"]))
    lines = []
    for heading, entries in groups.items():
        if entries:
            lines += [f"**{heading}**", ""]
            lines += [f"- `{name}`{': ' + prose(text) if text else ''}" for name, text in entries]
            lines.append("")
    return "\n".join(lines)


def documentation(plugin: Path) -> dict[str, Any]:
    """Return the DOCUMENTATION of a plugin, with what it takes from fragments, without importing it."""
    documented = texts(ast.parse(plugin.read_text()).body).get("DOCUMENTATION")
    if documented is None:
        raise ValueError(f"{plugin}: no DOCUMENTATION")
    for name in documented.get("extends_documentation_fragment", []):
        page, _dot, part = name.split(".", 2)[2].partition(".")
        tree = ast.parse((plugin.parent.parent / "doc_fragments" / f"{page}.py").read_text())
        body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
        for key, rows in texts(body)[part.upper() or "DOCUMENTATION"].items():
            documented[key] = {**rows, **documented.get(key, {})}
    return documented


def texts(body: list[ast.stmt]) -> dict[str, dict[str, Any]]:
    """Return the YAML documents among the constants of a module or class, by name."""
    return {
        node.targets[0].id: yaml.safe_load(node.value.value)
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if node.targets[0].id.isupper() and isinstance(node.value, ast.Constant)
    }


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    check = sys.argv[1:] == ["--check"]
    for page, text in stale(root).items():
        print(f"{'stale' if check else 'written'}: {page.relative_to(root)}")
        if not check:
            page.write_text(text)
    return 1 if check and stale(root) else 0


if __name__ == "__main__":
    sys.exit(main())
