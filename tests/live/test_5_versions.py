"""Another version in the inventory is an upgrade or a downgrade; a version that does not work changes nothing."""

from __future__ import annotations

import pytest
from desk import Desk, Run

# A repository of web2py with two versions and a broken one, from the tree that the quick start installed.
REPOSITORY = """set -eu
apt-get install -yq git >/dev/null
rm -rf /srv/test && mkdir -p /srv/test/tree && cd /srv/test/tree
cp -rL /srv/web2py/current/web2py/. .
rm -rf applications deposit logs site-packages routes.py logging.conf parameters_*
mkdir applications && touch applications/__init__.py
git init -q && git config user.email test@example.org && git config user.name test
for number in 2.26.8 2.26.9; do
  echo "Version $number-stable+timestamp.2026.01.01.00.00.00" > VERSION
  git add -A -f && git commit -qm "$number" && git tag "v$number"
done
echo 'raise RuntimeError("this web2py is broken on purpose")' >> gluon/main.py
git commit -qam broken && git tag v2.26.10
"""


def source(version: str) -> dict[str, object]:
    return {
        "web2py_source": {"type": "git", "url": "file:///srv/test/tree", "version": version},
        "web2py_applications": [
            {
                "name": "starter",
                "source": {"type": "starter"},
                "requirements": ["pydal==20260520.0", "yatl==20260805.1"],
            }
        ],
    }


@pytest.fixture(scope="module", autouse=True)
def repository(desk: Desk) -> None:
    desk.on_host(REPOSITORY)


def version(run: Run) -> str:
    assert run.status == 0, run.output
    return run.summary[1].split(" on ")[0]


def test_an_upgrade_and_a_downgrade_are_a_word_in_the_inventory(desk: Desk) -> None:
    assert version(desk.play(**source("v2.26.8"))) == "web2py 2.26.8"
    assert version(desk.play(**source("v2.26.9"))) == "web2py 2.26.9"
    assert version(desk.play(**source("v2.26.8"))) == "web2py 2.26.8"


def test_the_second_run_of_a_version_changes_nothing(desk: Desk) -> None:
    run = desk.play(**source("v2.26.8"))
    assert (run.status, run.changed) == (0, 0), run.output


def test_a_version_that_does_not_work_is_not_switched_to(desk: Desk) -> None:
    before = desk.on_host("readlink /srv/web2py/current")
    run = desk.play(**source("v2.26.10"))
    assert run.status != 0 and "broken on purpose" in run.output, run.output
    assert desk.on_host("readlink /srv/web2py/current") == before
    status = desk.play("status", **source("v2.26.8"))
    assert status.status == 0 and "web2py 2.26.8 on Python" in status.output, status.output


def test_a_version_that_does_not_exist_is_named(desk: Desk) -> None:
    run = desk.play(**source("v2.26.77"))
    assert run.status != 0 and "v2.26.77" in run.output, run.output


def test_the_last_releases_stay_and_no_more(desk: Desk) -> None:
    for number in range(4):
        run = desk.play(
            **source("v2.26.8"),
            web2py_log_level=("INFO", "ERROR")[number % 2],
            web2py_aliases=[f"a{number}.example.org"],
            web2py_keep_releases=2,
        )
        assert run.status == 0, run.output
    assert len(desk.on_host("ls /srv/web2py/releases").split()) == 2
