from __future__ import annotations

from pathlib import Path

import pytest

from tools.docs import content_block, documentation, prose, put, stale, table

OPTIONS = {
    "a_words": {"type": "str", "choices": ["x", "y"], "default": "x", "description": "One O(a_list) or V(none|both)."},
    "a_list": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "description": ["First.", "Second."],
        "options": {"name": {"description": "Its name."}},
    },
    "a_text": {"default": "", "description": "Text."},
}


def test_table_shows_words_defaults_and_what_is_inside() -> None:
    assert table(OPTIONS).splitlines()[2:] == [
        "| `a_words` | `x`, `y` | `x` | One `a_list` or `none\\|both`. |",
        "| `a_list` | list of dict | required | First. Second. |",
        "| `a_list[].name` | str |  | Its name. |",
        '| `a_text` | str | `""` | Text. |',
    ]


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        ("V(80) and C(a(b))", "`80` and `a(b)`"),
        ("L(the page, https://example.org/x)", "[the page](https://example.org/x)"),
        ("M(web2py.deploy.admin_password), B(now)", "`web2py.deploy.admin_password`, **now**"),
        ("HTML (or so)", "HTML (or so)"),
    ],
)
def test_markup_becomes_markdown(markup: str, markdown: str) -> None:
    assert prose(markup) == markdown


def test_block_is_replaced_and_the_rest_kept() -> None:
    page = "top\n<!-- BEGIN GENERATED: spec -->\nold\n<!-- END GENERATED -->\nbottom\n"
    assert put(page, "spec", "new") == "top\n<!-- BEGIN GENERATED: spec -->\n\nnew\n<!-- END GENERATED -->\nbottom\n"
    assert put("page\n", "choices", "new") == "page\n"
    assert put("page\n", "spec", "new", required=True).endswith("\nnew\n<!-- END GENERATED -->\n")


def test_written_pages_are_stale_no_more(tmp_path: Path) -> None:
    (tmp_path / "roles/a/meta").mkdir(parents=True)
    (tmp_path / "roles/a/README.md").write_text("# a\n")
    (tmp_path / "roles/a/meta/argument_specs.yml").write_text(
        "argument_specs:\n  main: {short_description: The a, options: {a_x: {description: X., default: 1}}}\n"
        "  remove: {short_description: Take a away}\n"
    )
    for page, text in stale(tmp_path).items():
        page.write_text(text)
    assert "Take a away" in (tmp_path / "roles/a/README.md").read_text()
    assert stale(tmp_path) == {}
    assert content_block(tmp_path).splitlines() == ["**Roles**", "", "- `web2py.deploy.a`: The a"]


def test_documentation_takes_what_fragments_say(tmp_path: Path) -> None:
    for name in ("modules", "doc_fragments"):
        (tmp_path / name).mkdir()
    (tmp_path / "doc_fragments/_x.py").write_text(
        'class ModuleDocFragment:\n    DOCUMENTATION = "options: {a: {type: int}}"\n'
        '    READS = "attributes: {check_mode: {support: full}}"\n'
    )
    module = tmp_path / "modules/m.py"
    module.write_text(
        'DOCUMENTATION = """\nextends_documentation_fragment: [n.c._x, n.c._x.reads]\n'
        'options: {a: {type: str}, b: {}}\n"""\n'
    )
    found = documentation(module)
    # The module's own word counts.
    assert found["options"] == {"a": {"type": "str"}, "b": {}} and set(found["attributes"]) == {"check_mode"}
    module.write_text("x = 1\n")
    with pytest.raises(ValueError, match="no DOCUMENTATION"):
        documentation(module)
