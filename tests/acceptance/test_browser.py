"""A real browser, which trusts the site's own authority and nothing more, opens the first page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from client import Client
from hosts import Machine, Site

testinfra_hosts = ["ansible://web2py_web"]

REMEDY = "not installed: `apt-get install chromium libnss3-tools`, see tests/acceptance/README.md"


def program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.fail(f"{names[0]} is {REMEDY}")


class Browser:
    """Headless Chromium with a home of its own."""

    def __init__(self, home: Path, site: Site, address: str) -> None:
        self.home, self.url = home, site["url"] + "/"
        self.rules = "MAP " + site["domain"] + " " + address

    def trust(self, authority: str) -> None:
        folder = self.home / ".pki/nssdb"
        folder.mkdir(parents=True)
        (self.home / "ca.pem").write_text(authority)
        certutil = program("certutil")
        subprocess.run([certutil, "-d", f"sql:{folder}", "-N", "--empty-password"], check=True)
        subprocess.run(
            [certutil, "-d", f"sql:{folder}", "-A", "-t", "C,,", "-n", "site", "-i", self.home / "ca.pem"], check=True
        )

    def open(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            program("chromium", "chromium-browser", "google-chrome"),
            "--headless=new",
            "--no-sandbox",  # its own sandbox needs what a container of CI does not give; the page is ours
            "--disable-gpu",
            "--disable-dev-shm-usage",
            # It asks the site and nobody else.
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--enable-logging=stderr",
            f"--log-net-log={self.home}/net.json",
            f"--user-data-dir={self.home}/profile",
            f"--host-resolver-rules={self.rules}",
            *options,
            self.url,
        ]
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        try:
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
        except subprocess.TimeoutExpired as error:
            told = (self.home / "net.json").read_text()[-4000:] if (self.home / "net.json").exists() else "no net log"
            pytest.fail(f"no page after {error.timeout} s: {error.stdout!r}\n{error.stderr!r}\n{told}")


@pytest.fixture
def browser(tmp_path: Path, site: Site, address: str, secure: Client) -> Browser:
    if site["routes"]["default_application"] != "starter":
        pytest.skip("the first page is not the starter's")
    return Browser(tmp_path, site, address)


@pytest.fixture
def authority(site: Site, machine: Machine) -> str:
    if site["tls"]["provider"] != "self_signed":
        pytest.skip("the site has no authority of its own")
    return machine.run(f"cat {site['tls']['ca']}")


def test_the_first_page_opens(browser: Browser, authority: str, site: Site) -> None:
    """The browser shows the page without a warning, and its console stays empty."""
    browser.trust(authority)
    shown = browser.open("--dump-dom")
    assert f"<title>{site['domain']} is running</title>" in shown.stdout
    assert re.findall(r"CONSOLE.*", shown.stderr) == []


def test_the_first_page_is_drawn_with_its_style(browser: Browser, authority: str, tmp_path: Path) -> None:
    """The page is drawn in more than the black on white of a page whose style was refused."""
    browser.trust(authority)
    picture = tmp_path / "page.png"
    browser.open("--window-size=1280,900", f"--screenshot={picture}")
    assert picture.stat().st_size > 30_000


def test_a_browser_without_the_authority_warns(browser: Browser, site: Site, authority: str) -> None:
    """Without the site's authority the browser refuses: the pages above were really verified."""
    shown = browser.open("--dump-dom")
    assert f"{site['domain']} is running" not in shown.stdout
