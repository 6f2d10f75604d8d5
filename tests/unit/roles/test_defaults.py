"""Defaults of roles that are computed, with what an inventory may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]


def default(role: str, name: str, **variables: Any) -> Any:
    text = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())[name]
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))


@pytest.mark.parametrize(
    ("applications", "files"),
    [
        ([{"name": "a", "private_files": {"x.ini": "1"}}, {"name": "b"}], {"a": {"x.ini": "1"}, "b": {}}),
        # `private_files:` with nothing behind it
        ([{"name": "a", "private_files": None}], {"a": {}}),
        ([], {}),
        (None, {}),
    ],
)
def test_private_files_left_empty_are_none(applications: Any, files: dict[str, Any]) -> None:
    assert default("applications", "applications_private_files", web2py_applications=applications) == files


def test_private_files_of_a_table_left_out_are_none() -> None:
    assert default("applications", "applications_private_files") == {}


@pytest.mark.parametrize(
    ("role", "name"), [("web2py", "web2py_install_credentials"), ("applications", "applications_credentials")]
)
def test_credentials_left_out_or_empty_are_none(role: str, name: str) -> None:
    assert default(role, name) == default(role, name, web2py_credentials=None) == {}
    assert default(role, name, web2py_credentials={"h": "u:p"}) == {"h": "u:p"}
