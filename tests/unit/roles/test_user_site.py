"""What the role says twice, because Ansible's own module asks instead of ours."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.web2py.deploy.plugins.module_utils._info import problems
from tests.unit.plugins.module_utils.test__info import FOUND, SITE

VARIABLES = Path(__file__).resolve().parents[3] / "roles/user_site/vars/main.yml"


def test_a_first_page_is_judged_as_that_of_every_site() -> None:
    words = trust_as_template(yaml.safe_load(VARIABLES.read_text())["__user_site_page"])
    good = [status for status in range(200, 600) if problems(SITE, {**FOUND, "page": {"status": status}}) == []]
    assert Templar(loader=DataLoader()).template(words) == good
