# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of C(resolve_site); see plugins/modules/resolve_site.py for its documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.web2py.deploy.plugins.module_utils import _performance
from ansible_collections.web2py.deploy.plugins.module_utils._account import claimed, resolve_account
from ansible_collections.web2py.deploy.plugins.module_utils._far import WEB, gather
from ansible_collections.web2py.deploy.plugins.module_utils._fetch import file_sha256
from ansible_collections.web2py.deploy.plugins.module_utils._hosts import neighbours, of_site, peers, warnings
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import (
    PREFIX,
    examine,
    examine_account,
    examine_names,
    in_account,
)
from ansible_collections.web2py.deploy.plugins.module_utils._site import claims, resolve
from ansible_collections.web2py.deploy.plugins.module_utils._spec import RESOLVING, Problem, refusal, validate
from ansible_collections.web2py.deploy.plugins.plugin_utils._certificate import problems as certificate_problems
from ansible_collections.web2py.deploy.plugins.plugin_utils._controller import located

SPECIFICATION = Path(__file__).resolve().parents[2] / "roles/site/meta/argument_specs.yml"
ACCOUNTS = "web2py_user"


def options() -> dict[str, Any]:
    """The table of choices: the options of the role `site`."""
    return yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {**RESOLVING, "account": {"type": "bool", "default": False}}
        )
        host, look, account = arguments["host"], arguments["purpose"] == "look", arguments["account"]
        table, far = options(), {} if account else gather(task_vars)
        given, unreadable = self._choices(task_vars)
        if look:
            choices, problems = examine_names(table, in_account(given) if account else given, host, far)
            choices, _missing = located(choices, task_vars.get("inventory_dir"))
            # Who looks needs no secrets, hence no vault either.
            unreadable = [problem for problem in unreadable if not table.get(problem.variable, {}).get("no_log")]
        elif account:
            choices, problems = examine_account(table, given, host, self._other_accounts(table, task_vars))
            choices, missing = located(choices, task_vars.get("inventory_dir"))
            problems += missing
        else:
            site_hosts = peers(task_vars, WEB)
            choices, problems = examine(table, given, host, self._others(table, task_vars), site_hosts, far)
            names = claims(choices)["names"] if not problems else []
            choices, missing = located(choices, task_vars.get("inventory_dir"))
            problems += missing + self._certificate(choices, names) + self._ca_bundle(choices)
            problems += self._package(choices)
        problems = unreadable + problems
        if problems:
            result.update(refusal(f"in the choices of {task_vars['inventory_hostname']}", problems))
            return result
        site = resolve_account(choices, host) if account else resolve(choices, host, site_hosts=of_site(task_vars, WEB))
        result.update(changed=False, site=site)
        told = _performance.warnings(choices) if account else warnings(result["site"], peers(task_vars, WEB))
        result["warnings"] = [] if look else told
        return result

    def _choices(self, task_vars: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """All variables of the site's prefix, evaluated; those that cannot be are problems of their own."""
        given, problems = {}, []
        for name in sorted(task_vars):
            if not name.startswith(PREFIX):
                continue
            try:
                given[name] = self._templar.template(task_vars[name])
            except AnsibleError as error:
                reason = str(error).splitlines()[0]
                problems.append(Problem(name, "", f"cannot be evaluated: {reason}", "Define what it refers to"))
        return given, problems

    def _certificate(self, choices: dict[str, Any], site_names: list[str]) -> list[Problem]:
        """What is wrong with a provided certificate, asked before anything changes."""
        tls = choices.get("web2py_tls")
        if not isinstance(tls, dict) or tls.get("provider") != "provided":
            return []
        paths = [tls.get("certificate"), tls.get("key")]
        if not all(paths):
            return []
        texts, problems = [], []
        for name, path in zip(("certificate", "key"), paths):
            try:
                # A file of a vault is decrypted.
                readable = self._loader.get_real_file(path)
                texts.append(Path(readable).read_text(encoding="utf-8", errors="replace"))
            except (AnsibleError, OSError):
                problems.append(
                    Problem(f"web2py_tls.{name}", repr(path), "cannot be read here", "Give a file that is there")
                )
        if not problems:
            for text in certificate_problems(texts[0], texts[1], site_names):
                fault, _colon, remedy = text.partition(": ")
                problems.append(Problem("web2py_tls", "", fault, remedy[:1].upper() + remedy[1:]))
        return problems

    def _ca_bundle(self, choices: dict[str, Any]) -> list[Problem]:
        """What is wrong with the file that certifies a private authority, asked before anything changes."""
        tls = choices.get("web2py_tls")
        path = tls.get("ca_bundle") if isinstance(tls, dict) else None
        if not path or not isinstance(path, str):
            return []
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return [Problem("web2py_tls.ca_bundle", repr(path), "cannot be read here", "Give a file that is there")]
        if "-----BEGIN CERTIFICATE-----" not in text:
            return [Problem("web2py_tls.ca_bundle", repr(path), "holds no certificate", "Give certificates in PEM")]
        return []

    def _package(self, choices: dict[str, Any]) -> list[Problem]:
        """What is wrong with the file of a package, asked before anything changes."""
        package, variable = choices.get("web2py_cherokee_package"), "web2py_cherokee_package"
        path = package.get("path") if isinstance(package, dict) else None
        if choices.get("web2py_front_end") != "cherokee" or not path or not isinstance(path, str):
            return []
        try:
            found = file_sha256(path)
        except OSError:
            return [Problem(f"{variable}.path", repr(path), "cannot be read here", "Give a file that is there")]
        if found == package.get("sha256"):
            return []
        fault = f"is not the checksum of the file, which has {found}"
        return [Problem(f"{variable}.sha256", repr(package.get("sha256")), fault, "Look where the file comes from")]

    def _other_accounts(self, table: dict[str, Any], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        """What other sites in accounts of the inventory take on the same machine."""
        found = []
        mine = task_vars["hostvars"][task_vars["inventory_hostname"]].get("ansible_user")
        asked = {key: table[key] for key in ("web2py_site", "web2py_account")}
        for name, theirs in neighbours(task_vars, ACCOUNTS):
            given = in_account({key: theirs[key] for key in asked if key in theirs})
            values, faults = validate(asked, given)
            if not faults:
                found.append({"inventory_host": name, **claimed(values, theirs.get("ansible_user") == mine)})
        return found

    def _others(self, table: dict[str, Any], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        """What the other sites of the inventory claim on the same machine."""
        found = []
        for name, theirs in neighbours(task_vars, WEB):
            chosen = {key: theirs[key] for key in table if key in theirs}
            chosen.setdefault("web2py_domain", name)
            values, faults = validate(table, chosen)
            if not faults:
                found.append({"inventory_host": name, **claims(values)})
        return found
