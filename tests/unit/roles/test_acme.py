"""The program that renews a certificate on a host, without its authority."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _service

SOURCE = Path(__file__).resolve().parents[3] / "roles/tls/files/acme.py"
SPEC = importlib.util.spec_from_file_location("web2py_acme", SOURCE)
assert SPEC and SPEC.loader
acme = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(acme)

NAMES = ["www.example.org", "example.org"]
DIRECTORY = "https://ca.example.org/directory"
DAY = 86400


def pair_for(folder: Path, names: list[str], days: int = 90) -> dict[str, str]:
    """A certificate of nobody's, as an authority would give it."""
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-days", str(days), "-subj", "/", "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)]
    subprocess.run([*words, "-keyout", folder / "k", "-out", folder / "c"], check=True, capture_output=True)
    return {"directory": DIRECTORY, "key": (folder / "k").read_text(), "chain": (folder / "c").read_text()}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return pair_for(tmp_path_factory.mktemp("pair"), NAMES)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    for name in ("state", "tls"):
        (tmp_path / name).mkdir()
    return {
        "names": NAMES, "directory": DIRECTORY, "contact": "", "ca_bundle": "", "domain": NAMES[0], "port": 443,
        "state": str(tmp_path / "state"), "challenges": str(tmp_path), "tls": str(tmp_path / "tls"),
        "unit": "x.service", "service": "web2py_acme.service",
    }  # fmt: skip


def test_a_good_certificate_is_no_reason_to_ask(pair: dict[str, str], settings: dict[str, Any]) -> None:
    assert acme.reasons(pair, settings, time.time()) == []
    # The order of names means nothing.
    assert acme.reasons(pair, {**settings, "names": NAMES[::-1]}, time.time()) == []


@pytest.mark.parametrize(
    ("changes", "later", "words"),
    [
        ({"directory": "https://other.example.org/d"}, 0, "another authority"),
        ({"names": [*NAMES, "shop.example.org"]}, 0, "its names are example.org, www.example.org"),
        ({"names": NAMES[:1]}, 0, "its names are"),
        ({}, 59 * DAY, ""),
        ({}, 61 * DAY, "29.0 days are left"),
        ({}, 91 * DAY, "not valid at this time"),
    ],
)
def test_reasons_to_ask(
    changes: dict[str, Any], later: int, words: str, pair: dict[str, str], settings: dict[str, Any]
) -> None:
    found = acme.reasons(pair, {**settings, **changes}, time.time() + later)
    assert bool(found) == bool(words) and words in "".join(found)


def test_what_is_broken_is_asked_for_again(pair: dict[str, str], settings: dict[str, Any], tmp_path: Path) -> None:
    other = pair_for(tmp_path, NAMES)
    for broken in (None, {**pair, "chain": "x"}, {**pair, "key": "x"}):
        assert acme.reasons(broken, settings, time.time())
    assert acme.reasons({**pair, "key": other["key"]}, settings, time.time()) == [
        "the key does not belong to the certificate"
    ]


def test_what_another_user_left_is_read_without_following_links(settings: dict[str, Any], tmp_path: Path) -> None:
    state = Path(settings["state"])
    assert acme.held(settings) is None
    (tmp_path / "elsewhere").write_text("{}")
    (state / "pair.json").symlink_to(tmp_path / "elsewhere")
    assert acme.held(settings) is None
    (state / "pair.json").unlink()
    os.mkfifo(state / "pair.json")
    assert acme.held(settings) is None
    (state / "pair.json").unlink()
    for text in ("[]", "{}", '{"directory": "", "key": "", "chain": 5}', "no json", "[" * 100_000):
        (state / "pair.json").write_text(text)
        assert acme.held(settings) is None
    assert acme.held({**settings, "state": str(tmp_path / "nowhere")}) is None


def test_key_and_certificate_are_switched_together(
    pair: dict[str, str], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"ActiveState": "inactive"}
    monkeypatch.setattr(acme, "state", lambda _unit: found)
    tls = Path(settings["tls"])
    (tls / "live").symlink_to(".")
    (Path(settings["state"]) / "pair.json").write_text(json.dumps(pair))
    assert acme.due(settings) == ["it is not in service yet"]
    acme.place(settings["tls"], pair)
    assert acme.due(settings) == []
    found["ActiveState"] = "failed"
    assert acme.due(settings) == ["it failed the last time"]
    assert acme.certificates((tls / "live/certificate.pem").read_text()) == acme.certificates(pair["chain"])
    assert oct((tls / "live/key.pem").stat().st_mode)[-3:] == "600"
    first = os.readlink(tls / "live")
    # What a killed run left is cleared away, and so is the pair of before.
    (tls / "acme-half").mkdir()
    (tls / "acme-link").symlink_to("nowhere")
    acme.clear(settings["tls"], acme.place(settings["tls"], pair_for(tmp_path, NAMES)))
    assert os.readlink(tls / "live") != first
    assert sorted(path.name for path in tls.iterdir()) == sorted([os.readlink(tls / "live"), "live"])


def test_the_certificate_that_is_compared_is_the_first(pair: dict[str, str], tmp_path: Path) -> None:
    other = pair_for(tmp_path, ["ca.example.org"])
    assert acme.certificates(pair["chain"] + other["chain"])[:1] == acme.certificates(pair["chain"])
    with pytest.raises(ValueError, match="no certificate"):
        acme.certificates("nothing")


def test_what_no_front_end_could_load_is_asked_for_again(pair: dict[str, str], settings: dict[str, Any]) -> None:
    """A good certificate with something unreadable behind it would stop the front end of all sites."""
    garbage = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
    broken = {**pair, "chain": pair["chain"] + garbage}
    assert "no front end can load it" in acme.reasons(broken, settings, time.time())[0]
    (Path(settings["state"]) / "pair.json").write_text(json.dumps(broken))
    with pytest.raises(acme.Trouble, match="no front end can load it"):
        acme.take(settings)
    assert list(Path(settings["tls"]).iterdir()) == []
    # Words between the blocks are nobody's: the front end never sees them.
    acme.place(settings["tls"], {**pair, "chain": "# words\n" + pair["chain"] + "-----BEGIN X-----\n"})
    written = (Path(settings["tls"]) / "live/certificate.pem").read_text()
    assert "words" not in written and "BEGIN X" not in written


def test_a_front_end_that_refuses_keeps_the_pair_of_before(
    pair: dict[str, str], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = Path(settings["tls"])
    (Path(settings["state"]) / "pair.json").write_text(json.dumps(pair))
    (tls / "live").symlink_to(".")

    def refuse(*_: Any) -> None:
        assert os.readlink(tls / "live") == acme.folder_of(acme.held(settings))
        raise acme.Trouble("it goes on with the certificate of before")

    monkeypatch.setattr(acme, "serve", refuse)
    with pytest.raises(acme.Trouble, match="goes on"):
        acme.take(settings)
    assert [path.name for path in tls.iterdir()] == ["live"] and os.readlink(tls / "live") == "."
    monkeypatch.setattr(acme, "serve", lambda *_: None)
    acme.take(settings)
    first = os.readlink(tls / "live")
    (Path(settings["state"]) / "pair.json").write_text(json.dumps(pair_for(tmp_path, NAMES)))
    monkeypatch.setattr(acme, "serve", refuse)
    with pytest.raises(acme.Trouble, match="goes on"):
        acme.take(settings)
    assert sorted(path.name for path in tls.iterdir()) == [first, "live"] and os.readlink(tls / "live") == first
    assert acme.certificates((tls / "live/certificate.pem").read_text()) == acme.certificates(pair["chain"])


def test_the_playbook_knows_what_was_taken_in(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp is that of applied_service: a later run finds nothing to do."""
    file = tmp_path / "certificate.pem"
    file.write_text("old")
    unit = _service.Unit("x.service", active="active", life="one", begun=time.time() - 9)
    _service.write_stamp(unit, {"/etc/x": _service.Seen("0", 0), str(file): _service.see(str(file))}, str(tmp_path))
    file.write_text("new")
    monkeypatch.setattr(acme, "state", lambda _unit: {"InvocationID": "one"})
    stamp = _service.read_stamp("x.service", str(tmp_path))
    assert _service.pending(unit, stamp, {str(file): _service.see(str(file))}) == [str(file)]
    acme.note("x.service", [str(file)], str(tmp_path))
    stamp = _service.read_stamp("x.service", str(tmp_path))
    assert _service.pending(unit, stamp, {str(file): _service.see(str(file))}) == []
    assert stamp["files"]["/etc/x"] == "0"
    # After a restart of the host there is nothing to tell.
    acme.note("x.service", [str(file)], str(tmp_path / "nowhere"))
    # In another life of the unit the stamp is not ours to mend.
    file.write_text("newer")
    monkeypatch.setattr(acme, "state", lambda _unit: {"InvocationID": "two"})
    acme.note("x.service", [str(file)], str(tmp_path))
    assert _service.read_stamp("x.service", str(tmp_path)) == stamp
    assert stamp["files"][str(file)] == hashlib.sha256(b"new").hexdigest()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "Traceback (most recent call last):\n    raise ValueError('did not pass for {0}')\n"
            "ValueError: Challenge did not pass for shop.example.org: "
            "{'status': 'invalid', 'challenges': [{'error': {'detail': \"It's: not found\", 'status': 403}}]}",
            "shop.example.org was not validated, so no certificate for www.example.org, example.org: It's: not found",
        ),
        (
            "ValueError: Error creating new order:\nUrl: https://x\n"
            "Response: {'type': 'urn:ietf:params:acme:error:rateLimited', 'detail': 'too many', 'status': 429}",
            "too many",
        ),
        ("OSError: Error getting directory: refused", "Error getting directory: refused"),
        ("", "acme-tiny said nothing"),
    ],
)
def test_the_words_of_the_client_become_one_line(output: str, words: str) -> None:
    assert acme.said(output, NAMES) == words


def client(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], tmp_path: Path, lines: list[str]) -> None:
    """Another program in the place of the client."""
    program = tmp_path / "client"
    program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    program.chmod(0o700)
    monkeypatch.setattr(acme, "CLIENT", str(program))


def test_asking_makes_a_new_key_and_keeps_both(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(settings["state"]) / "asking-of-a-killed-run").mkdir()
    lines = [f'echo "$@ $SSL_CERT_FILE" > {tmp_path}/words', "cd $(dirname $4)"]
    lines += ["openssl x509 -req -in request.pem -signkey key.pem -days 90 -copy_extensions copy 2>/dev/null"]
    client(monkeypatch, settings, tmp_path, lines)
    acme.ask({**settings, "contact": "a@example.org", "ca_bundle": "/etc/x_acme/ca.pem"})
    words = (tmp_path / "words").read_text()
    assert f"--directory-url {DIRECTORY}" in words and "--contact mailto:a@example.org" in words
    assert words.strip().endswith("/etc/x_acme/ca.pem")
    pair = acme.held(settings)
    assert acme.reasons(pair, settings, time.time()) == []
    assert "NIST CURVE: P-256" in acme.openssl("pkey", "-text", "-noout", text=pair["key"])
    kept = {path.name: oct(path.stat().st_mode)[-3:] for path in Path(settings["state"]).iterdir()}
    assert kept.pop("pair.json") == "600" and list(kept.values()) == ["600"]
    # A good certificate: nobody is asked again.
    client(monkeypatch, settings, tmp_path, ["exit 1"])
    acme.ask(settings)
    assert acme.held(settings) == pair


def test_a_refusal_leaves_what_was_there(
    pair: dict[str, str], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(settings["state"]) / "pair.json").write_text(json.dumps(pair))
    client(monkeypatch, settings, tmp_path, ["echo 'ValueError: no' >&2", "exit 1"])
    with pytest.raises(acme.Trouble, match="^no$"):
        acme.ask({**settings, "names": ["shop.example.org"]})
    assert acme.held(settings) == pair


def test_a_certificate_for_something_else_is_not_kept(
    pair: dict[str, str], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answer").write_text(pair["chain"])
    client(monkeypatch, settings, tmp_path, [f"cat {tmp_path}/answer"])
    with pytest.raises(acme.Trouble, match="does not belong"):
        acme.ask(settings)
    assert acme.held(settings) is None
    with pytest.raises(acme.Trouble, match="there is none"):
        acme.take(settings)


def test_the_program_ends_with_the_domain_and_the_trouble(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert acme.main([str(tmp_path / "settings.json"), "due"]) == 0
    assert capsys.readouterr().out == "there is none yet\n"
    assert acme.main([str(tmp_path / "settings.json"), "take"]) == 1
    assert capsys.readouterr().err.startswith("www.example.org: What was got is not put into service")


@pytest.mark.parametrize("trouble", [subprocess.CalledProcessError(1, ["systemctl", "show"]), RecursionError("deep")])
def test_whatever_fails_is_told_in_one_line(
    trouble: Exception,
    settings: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_settings: Any) -> None:
        raise trouble

    (tmp_path / "settings.json").write_text(json.dumps(settings))
    monkeypatch.setattr(acme, "due", fail)
    assert acme.main([str(tmp_path / "settings.json"), "due"]) == 1
    assert capsys.readouterr().err.startswith("www.example.org: ")
