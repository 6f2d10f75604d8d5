"""What every test of the suite starts from: the site as its inventory resolves it, and clients that speak to it."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.web2py.deploy.plugins.module_utils import _host
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve
from ansible_collections.web2py.deploy.plugins.module_utils._spec import validate

sys.path.insert(0, str(Path(__file__).parent))

from client import Client
from hosts import ROOT, Machine, Probe, Site, excused, waited


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "late(last=False): disturbs the site for a while, hence runs after all others")
    config.addinivalue_line("markers", "server: shows what differs between application servers")
    config.addinivalue_line("markers", "data: shows what differs between database servers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        late = item.get_closest_marker("late")
        return 0 if late is None else 2 if late.kwargs.get("last") else 1

    items.sort(key=place)


@pytest.fixture(scope="module")
def machine(host: Any) -> Machine:
    return Machine(host)


@pytest.fixture(scope="module")
def facts(machine: Machine) -> dict[str, Any]:
    """What the preflight knows of the host, by the same code."""
    return json.loads(machine.python(Path(_host.__file__).read_text() + "\nprint(json.dumps(host()))"))


@pytest.fixture(scope="module")
def variables(host: Any) -> dict[str, Any]:
    """The inventory's variables of the host, as they stand there."""
    return dict(host.ansible.get_variables())


@cache
def options() -> dict[str, Any]:
    """The table of choices. It is long, and every module of the suite wants it."""
    text = (ROOT / "roles/site/meta/argument_specs.yml").read_text()
    return dict(yaml.safe_load(text)["argument_specs"]["main"]["options"])


@pytest.fixture(scope="module")
def site(variables: dict[str, Any], facts: dict[str, Any]) -> Site:
    """The resolved site of the host, by the same function that the roles read."""
    spec = options()
    given = {name: value for name, value in variables.items() if name in spec}
    given.setdefault("web2py_domain", variables["inventory_hostname"])
    choices, problems = validate(spec, given)
    assert not problems, "\n".join(map(str, problems))
    return resolve(choices, facts)


@pytest.fixture(scope="module")
def root(site: Site, machine: Machine) -> str | None:
    """Who has to vouch for the certificate: the site's own authority, or that of molecule/shared/authority.yml, or the
    certificate itself where it was provided; None where that is a public authority.
    """
    tls = site["tls"]
    if tls["provider"] == "acme":
        found = machine.try_to("cat /usr/local/share/pebble-root.pem")
        return str(found.stdout) if found.rc == 0 else None
    return machine.run(f"cat {tls['ca' if tls['provider'] == 'self_signed' else 'certificate']}")


@pytest.fixture(scope="module")
def trust(site: Site, root: str | None) -> ssl.SSLContext | None:
    """Trust in the one who has to vouch for the certificate, and in nobody else."""
    if not site["ports"]["https"]:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if root is None:
        context.load_default_certs()
    else:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=root)
    return context


@pytest.fixture(scope="module")
def address(variables: dict[str, Any]) -> str:
    return str(variables.get("ansible_host", variables["inventory_hostname"]))


@pytest.fixture(scope="module")
def plain(site: Site, address: str) -> Client:
    """A visitor over http."""
    return Client(address, site["ports"]["http"], site["domain"], None)


@pytest.fixture(scope="module")
def web(site: Site, address: str, trust: ssl.SSLContext | None, plain: Client) -> Client:
    """A visitor over https, or over http where the site has nothing else."""
    return Client(address, site["ports"]["https"], site["domain"], trust) if trust else plain


@pytest.fixture(scope="module")
def secure(site: Site, web: Client) -> Client:
    """A visitor over https."""
    if not site["ports"]["https"]:
        pytest.skip("the site has no https")
    return web


@pytest.fixture(scope="module")
def probe(site: Site, web: Client) -> Probe:
    for application in site["applications"]:
        if application["name"] == "probe":
            folder = application["static"].rsplit("/", 1)[0]
            return Probe(web, folder, f"{site['paths']['state']}/applications/probe")
    pytest.skip("the site has no application `probe` (tests/applications/probe)")


@pytest.fixture(scope="module")
def unit(site: Site) -> str:
    """The unit that takes up new code, whichever server it is."""
    return f"{site['name']}.service"


@pytest.fixture(scope="module")
def inside(site: Site) -> bool:
    """Whether the front end itself runs web2py: then it has no process and no socket of its own."""
    return not site["server"]["backend"]["path"]


@pytest.fixture(scope="module")
def front_end(site: Site) -> str:
    """The unit of the front end."""
    return str(site["front_end"]["unit"])


@pytest.fixture(scope="module")
def answers(web: Client, site: Site) -> Callable[[], bool]:
    """Whether a page made by web2py comes now."""
    path = site["applications"][0]["check_path"]
    return lambda: web.ask(path, timeout=2).status == 200


@pytest.fixture(scope="module")
def stopped_server(
    machine: Machine, site: Site, unit: str, inside: bool, answers: Callable[[], bool]
) -> Iterator[None]:
    """The application server is stopped, with its socket, until the module ends: its users are its last tests."""
    excused(site, "stopped")
    if inside:
        pytest.skip(f"{site['server']['name']} cannot be stopped without {site['front_end']['name']}")
    units = [unit, f"{site['name']}.socket"]
    units = [name for name in units if machine.try_to(f"systemctl cat {name}").rc == 0]
    machine.run(f"systemctl stop {' '.join(units)}")
    try:
        yield
    finally:
        machine.run(f"systemctl start {' '.join(reversed(units))}")
        waited(answers, 20)
