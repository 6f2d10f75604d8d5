"""The module's refusals; what it plans is tested with _service."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._service import Unit
from ansible_collections.web2py.deploy.plugins.modules import applied_service


def asked(units: list[Unit], **params: Any) -> None:
    module = SimpleNamespace(params={"enabled": True, "restart_on": [], "reload_on": [], **params}, check_mode=True)
    applied_service.ready(module, SimpleNamespace(show=lambda: units))


def test_a_unit_for_its_socket_is_never_disabled() -> None:
    with pytest.raises(applied_service.Problem, match="enabled=false is not for it"):
        asked([], enabled=False)


def test_a_masked_unit_is_refused_with_the_remedy() -> None:
    with pytest.raises(applied_service.Problem, match="lift it with: systemctl unmask a.socket"):
        asked([Unit("a.socket", load="masked"), Unit("a.service")])
