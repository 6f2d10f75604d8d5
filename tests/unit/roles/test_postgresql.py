"""The drop-in of the server's unit goes with its last site: whether others are there is read from pg_hba.conf."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml

VARIABLES = Path(__file__).resolve().parents[3] / "roles/postgresql/vars/main.yml"
DISTRIBUTION = (
    "# local  DATABASE  USER  METHOD\nlocal all postgres peer\nlocal\tall\tall\tpeer\nhost all all ::1/128 md5\n"
)
MINE = "local shop_a shop scram-sha-256\nlocal\tall\tshop\treject\nhost all shop 127.0.0.1/32 reject\n"


@pytest.mark.parametrize(
    ("rules", "others"),
    [
        (DISTRIBUTION, False),
        (DISTRIBUTION + MINE, False),
        (MINE + "hostssl replication web2py_replication 10.0.0.2/32 scram-sha-256\n", False),
        (MINE + "local\tall\tshop-2\treject\n", True),
        (MINE + 'host all   "second"  0.0.0.0/0 reject\n', True),
        (MINE.replace("all\tshop", 'all "shop"').replace("all shop", 'all   "shop"'), False),
    ],
)
def test_other_sites_are_told_by_their_rules(rules: str, others: bool) -> None:
    environment = jinja2.Environment(autoescape=True)
    environment.filters["regex_escape"] = re.escape
    text = yaml.safe_load(VARIABLES.read_text())["__postgresql_others_rule"]
    rule = environment.from_string(text).render(postgresql_site={"data": {"user": "shop"}})
    assert bool(re.search(rule, rules)) is others
