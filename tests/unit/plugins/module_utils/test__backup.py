"""Choices of backups: what they become, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._backup import backup, backup_words, problems

KEEP = {"daily": 7, "weekly": 4, "monthly": 6, "last": None}
SFTP = {"repository": "sftp:keeper@vault.example.org:/srv/shop", "known_hosts": ["vault.example.org ssh-ed25519 AAAA"]}
SSH_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"


def choices(chosen: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    whole = {"repository": "/srv/backups/shop", "every": "daily", "drill": "weekly", "keep": KEEP, "known_hosts": []}
    return {
        "web2py_site": "shop", "web2py_root": "/srv", "web2py_backup": {**whole, **(chosen or {})},
        "web2py_backup_password": "a good password", "web2py_backup_environment": None, "web2py_backup_ssh_key": None,
        **more,
    }  # fmt: skip


def part(chosen: dict[str, Any] | None = None) -> dict[str, Any]:
    found = backup(choices(chosen))
    assert found
    return found


def test_not_chosen_is_nothing() -> None:
    none = {"web2py_site": "shop", "web2py_backup": None}
    assert backup(none) is None
    assert problems(none) == [] and backup_words(none) == []


def test_the_part_of_the_site() -> None:
    found = part()
    assert found["local"] and found["options"] == [] and found["unit"] == "shop-backup"
    assert found["keep"] == {"daily": 7, "weekly": 4, "monthly": 6}
    assert (found["folder"], found["home"]) == ("/etc/shop_backup", "/var/lib/shop_backup")
    assert "a good password" not in str(found)
    served = choices(web2py_database={"type": "postgresql"})
    assert backup_words(served) == ["backup", "backup_postgresql"]
    assert backup_words(choices()) == ["backup"] and backup_words(choices(SFTP)) == ["backup", "backup_ssh"]


def test_sftp_goes_by_a_key_of_its_own_to_a_known_host() -> None:
    found = part(SFTP)
    assert not found["local"]
    command = found["options"][0]
    assert command.startswith("sftp.command=ssh -F none -i /etc/shop_backup/ssh_key")
    assert command.endswith(" keeper@vault.example.org -s sftp") and " -p " not in command
    assert "StrictHostKeyChecking=yes" in command
    other = part({**SFTP, "repository": "sftp://keeper@vault.example.org:2222//srv/shop"})["options"][0]
    assert other.endswith(" -p 2222 keeper@vault.example.org -s sftp")


@pytest.mark.parametrize(
    ("chosen", "more"),
    [
        ({}, {}),
        ({"repository": "s3:https://s3.example.org/bucket"}, {"web2py_backup_environment": {"AWS_ACCESS_KEY_ID": "x"}}),
        ({"repository": "rest:https://vault.example.org/shop"}, {}),
        ({"every": "*-*-* 02:30:00", "drill": "Sun 04:00"}, {}),
        (SFTP, {"web2py_backup_ssh_key": SSH_KEY}),
        ({"keep": {"last": 1}}, {}),
        ({"repository": "/mnt/disk/backups"}, {}),
    ],
)
def test_good_choices_are_let_through(chosen: dict[str, Any], more: dict[str, Any]) -> None:
    assert problems(choices(chosen, **more)) == []


@pytest.mark.parametrize(
    ("chosen", "more", "variable", "words"),
    [
        ({"repository": "backups"}, {}, "web2py_backup.repository", "no repository that restic reaches"),
        ({"repository": ""}, {}, "web2py_backup.repository", "no repository that restic reaches"),
        ({"repository": "rclone:x"}, {}, "web2py_backup.repository", "no repository that restic reaches"),
        ({"repository": "sftp:vault:/x"}, {}, "web2py_backup.repository", "no repository that restic reaches"),
        ({"repository": "sftp:-oProxyCommand=x@h:/x"}, {}, "web2py_backup.repository", "no repository"),
        ({"repository": "sftp:a@-oX:/x"}, {}, "web2py_backup.repository", "no repository"),
        ({"repository": "rest:https://a:b@vault/x"}, {}, "web2py_backup.repository", "carries a user name"),
        ({"repository": "/srv/a b"}, {}, "web2py_backup.repository", "no plain absolute path"),
        ({"repository": "/srv/../etc"}, {}, "web2py_backup.repository", "no plain absolute path"),
        ({"repository": "/srv/backups/"}, {}, "web2py_backup.repository", "no plain absolute path"),
        ({"repository": "/tmp/backups"}, {}, "web2py_backup.repository", "lies in /tmp"),
        ({"repository": "/home/me/backups"}, {}, "web2py_backup.repository", "lies in /home"),
        ({"repository": "/var/lib/shop/backups"}, {}, "web2py_backup.repository", "lies in /var/lib/shop"),
        ({"repository": "/srv/shop"}, {}, "web2py_backup.repository", "lies in /srv/shop"),
        ({"repository": "/var/lib"}, {}, "web2py_backup.repository", "holds folders of the site"),
        ({"every": "daily\nUser=root"}, {}, "web2py_backup.every", "no time of systemd's"),
        ({"drill": ""}, {}, "web2py_backup.drill", "no time of systemd's"),
        ({"keep": {"daily": 0}}, {}, "web2py_backup.keep", "keeps nothing"),
        ({"keep": {}}, {}, "web2py_backup.keep", "keeps nothing"),
        ({"keep": {"daily": -1}}, {}, "web2py_backup.keep.daily", "out of bounds"),
        ({"known_hosts": ["x"]}, {}, "web2py_backup.known_hosts", "sftp only"),
        ({}, {"web2py_backup_ssh_key": SSH_KEY}, "web2py_backup_ssh_key", "sftp only"),
        (SFTP, {}, "web2py_backup_ssh_key", "missing for sftp"),
        (SFTP, {"web2py_backup_ssh_key": "ssh-ed25519 AAAA"}, "web2py_backup_ssh_key", "no private key"),
        ({**SFTP, "known_hosts": []}, {"web2py_backup_ssh_key": SSH_KEY}, "web2py_backup.known_hosts", "missing"),
        ({}, {"web2py_backup_password": None}, "web2py_backup_password", "missing"),
        ({}, {"web2py_backup_password": "short"}, "web2py_backup_password", "not fit"),
        ({}, {"web2py_backup_password": "two\nlines of it"}, "web2py_backup_password", "not fit"),
        ({}, {"web2py_backup_environment": {"PATH": "/x"}}, "web2py_backup_environment", "no variable"),
        ({}, {"web2py_backup_environment": {"LD_PRELOAD": "/x"}}, "web2py_backup_environment", "no variable"),
        ({}, {"web2py_backup_environment": {"a b": "x"}}, "web2py_backup_environment", "no variable"),
        ({}, {"web2py_backup_environment": {"B2_ACCOUNT_ID": 1}}, "web2py_backup_environment.B2_ACCOUNT_ID", "text"),
        ({}, {"web2py_site": "shop-backup"}, "web2py_site", "ends like a unit"),
        ({}, {"web2py_site": "shop-drill"}, "web2py_site", "ends like a unit"),
    ],
)
def test_wrong_choices_are_named(chosen: dict[str, Any], more: dict[str, Any], variable: str, words: str) -> None:
    found = problems(choices(chosen, **more))
    assert [problem.variable for problem in found] == [variable]
    assert words in str(found[0])
    for secret in ("short", "two", "PRIVATE", "a:b@"):
        assert secret not in str(found[0]).replace("no private key", "")


@pytest.mark.parametrize("word", ["password", "environment", "ssh_key"])
def test_a_secret_of_nothing_is_named(word: str) -> None:
    found = problems({"web2py_site": "shop", "web2py_backup": None, f"web2py_backup_{word}": "a secret"})
    assert [problem.variable for problem in found] == [f"web2py_backup_{word}"] and "a secret" not in str(found)
