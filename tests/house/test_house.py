"""The rules of the house, so that nobody argues. The checkout keeps each rule, a small bad sample breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import project, roles
from tests.house.tree import Tree

ROOT = Path(__file__).resolve().parents[2]
TASK = "- name: Main is there\n  "
RUNS_A = "- hosts: all\n  roles: [{role: web2py.deploy.a}]\n"
TAKES_A = "- hosts: all\n  tasks: [{ansible.builtin.include_role: {name: web2py.deploy.a}}]\n"
SPEC = "argument_specs:\n  main:\n    short_description: Sample\n    options:\n      "
MODULE = 'DOCUMENTATION = """\nmodule: x\noptions:\n  a: {description: A}\n"""\nf(argument_spec=dict(b=1))\n'

# rule: files of a checkout that breaks it, one sample per way to break it
SAMPLES: dict[Callable[[Tree], list[str]], list[dict[str, str]]] = {
    roles.files_of_a_role: [{"roles/a/tasks/main.yml": "x"}],
    roles.pages_say_what_a_role_leaves: [
        {"roles/a/tasks/main.yml": "x", "roles/a/README.md": "**What it changes on the host**: x\n**Remove**: x\n"},
    ],
    roles.task_files_are_short: [{"roles/a/tasks/main.yml": "#\n" * 46}, {"roles/a/tasks/b.yml": "#\n" * 121}],
    roles.inputs_are_few: [{"roles/a/defaults/main.yml": "".join(f"a_{n}: 1\n" for n in range(26))}],
    roles.tasks_are_named_as_outcomes: [
        {"roles/a/tasks/main.yml": "- ansible.builtin.assert: {that: true}"},
        {"roles/a/tasks/main.yml": "- name: lower case\n  ansible.builtin.debug:"},
        {"roles/a/tasks/main.yml": "- name: Period.\n  ansible.builtin.debug:"},
        {"roles/a/tasks/main.yml": "- name: The {{ x }} is there\n  ansible.builtin.debug:"},
        {"roles/a/tasks/sub.yml": "- name: No prefix\n  ansible.builtin.debug:"},
        {"roles/a/tasks/main.yml": "- name: Outer\n  block: [{ansible.builtin.debug: {}}]"},
    ],
    roles.modules_are_fully_named: [{"roles/a/tasks/main.yml": TASK + "apt: {name: x}"}],
    roles.failures_and_changes_are_not_hidden: [
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.apt: {name: x}\n  changed_when: false"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.apt: {name: x}\n  failed_when: false"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.uri: {url: x}\n  ignore_errors: true"},
    ],
    roles.commands_say_when_they_change: [
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.shell: x"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.command: {argv: [x]}"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.command: {argv: [x, '{{ a_password }}'], creates: y}"},
    ],
    roles.loops_of_roles_name_their_variable: [
        {"playbooks/a.yml": "- post_tasks: [{ansible.builtin.include_role: {name: a}, loop: [1]}]"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.include_tasks: b.yml\n  loop: [1]"},
    ],
    roles.files_have_owner_and_mode: [
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.copy: {dest: x, owner: root, group: root}"},
        {"roles/a/tasks/main.yml": TASK + "web2py.deploy.checked_files: {files: [{path: x, mode: 644}]}"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.file: {path: x, mode: u+w}"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.lineinfile: {path: x}"},
    ],
    roles.no_forbidden_words: [
        {"roles/a/tasks/b.yml": "when: ansible_distribution == 'Debian'"},
        {"roles/a/templates/b.j2": "{{ ansible_facts['os_family'] }}"},
        {"roles/a/tasks/b.yml": "x: '{{ [1, 2] | random }}'"},
        {"playbooks/site.yml": RUNS_A, "roles/a/tasks/main.yml": "- ansible.builtin.include_tasks: b.yml"},
    ],
    roles.no_code_in_comments: [{"roles/a/tasks/b.yml": "# - name: Old task\n"}],
    roles.handlers_are_few_verbs: [
        {"roles/a/handlers/main.yml": "- name: Reload A\n" * 4},
        {"roles/a/handlers/main.yml": "- name: A is reloaded\n"},
    ],
    roles.internal_names_are_marked: [
        {"roles/a/vars/main.yml": "a_public: 1"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.debug:\n  register: result"},
        {"roles/a/tasks/main.yml": TASK + "ansible.builtin.set_fact: {a_input: 1}"},
    ],
    roles.roles_use_their_own_variables: [
        {"roles/a/defaults/main.yml": "a_x: 1", "roles/b/tasks/main.yml": "x: '{{ a_x }}'"},
        {"roles/a/tasks/main.yml": "x", "roles/b/templates/t.j2": "{{ __a_private }}"},
        {"roles/site/defaults/main.yml": "web2py_x: 1", "roles/b/tasks/main.yml": "x: '{{ web2py_x }}'"},
    ],
    roles.defaults_are_what_the_spec_says: [
        {"roles/a/defaults/main.yml": "a_x: 1"},
        {
            "roles/a/defaults/main.yml": "b_x: 1",
            "roles/a/meta/argument_specs.yml": SPEC + "b_x: {type: int, default: 1}",
        },
        {"roles/a/meta/argument_specs.yml": SPEC + "a_x: {default: 1}"},
        {
            "roles/a/defaults/main.yml": "a_x: 2",
            "roles/a/meta/argument_specs.yml": SPEC + "a_x: {type: int, default: 1}",
        },
        {
            "roles/a/defaults/main.yml": "a_x: true",
            "roles/a/meta/argument_specs.yml": SPEC + "a_x: {type: int, default: true}",
        },
        {
            "roles/a/defaults/main.yml": "a_x: c",
            "roles/a/meta/argument_specs.yml": SPEC + "a_x: {default: c, choices: [d]}",
        },
        {
            "roles/a/defaults/main.yml": "a_x: c",
            "roles/a/meta/argument_specs.yml": SPEC + "a_x: {default: c, required: true}",
        },
        {"roles/a/meta/argument_specs.yml": SPEC + "a_password: {type: str}"},
    ],
    roles.pages_show_the_spec: [
        {"roles/a/README.md": "# a\n", "roles/a/meta/argument_specs.yml": SPEC + "a_x: {description: X.}"},
        {
            "README.md": "<!-- BEGIN GENERATED: content -->\nold\n<!-- END GENERATED -->\n",
            "playbooks/site.yml": "---\n# The site\n",
        },
    ],
    roles.templates_are_plain: [
        {"roles/a/templates/b.j2": "text\n"},
        {"roles/a/templates/b.j2": "{{ ansible_managed | comment }}\n{% set x = 1 %}"},
        {"roles/a/templates/b.j2": "{{ ansible_managed | comment }}\n{{ now() }}"},
        {"roles/a/templates/b.j2": "{{ ansible_managed | comment }}\n" * 121},
    ],
    roles.tags_are_known: [
        {"playbooks/site.yml": "- hosts: all\n  tags: surprise"},
        {"playbooks/site.yml": "- hosts: all\n  tags: [install]", "README.md": "# Tags\n"},
        {"README.md": "# Tags\n\n| `install` | x |\n"},
    ],
    roles.purposes_reach_what_they_name: [
        {
            "playbooks/site.yml": RUNS_A,
            "roles/a/tasks/main.yml": TASK + "ansible.builtin.include_vars: b.yml\n  tags: [configure]",
        },
        {"playbooks/site.yml": RUNS_A, "roles/a/tasks/main.yml": TASK + "web2py.deploy.applications: {site: x}"},
        {"playbooks/site.yml": TAKES_A, "roles/a/tasks/main.yml": TASK + "web2py.deploy.applications: {site: x}"},
        {
            "playbooks/site.yml": RUNS_A,
            "roles/a/tasks/main.yml": TASK + "ansible.builtin.import_tasks: b.yml\n  tags: [configure]",
            "roles/a/tasks/b.yml": TASK + "web2py.deploy.applications: {site: x}",
        },
    ],
    project.plugins_are_headed_and_short: [
        {"plugins/filter/a.py": "pass\n"},
        {"plugins/filter/a.py": project.HEADER + "pass\n" * 61},
        {"plugins/modules/a.py": project.HEADER + "pass\n" * 151},
        {"plugins/module_utils/_a.py": project.HEADER + "pass\n" * 351},
    ],
    project.module_utils_are_pure_and_private: [
        {"plugins/module_utils/public.py": "pass"},
        {"plugins/module_utils/_a.py": "from ansible.module_utils import basic"},
        {"plugins/module_utils/_a.py": "import ansible"},
    ],
    project.modules_are_documented: [{"plugins/modules/x.py": MODULE}],
    project.action_group_lists_all_modules: [
        {"plugins/modules/x.py": "", "meta/runtime.yml": "action_groups: {deploy: []}"},
        {"meta/runtime.yml": "action_groups: {deploy: [x]}"},
    ],
    project.pure_code_has_unit_tests: [{"plugins/module_utils/_a.py": "pass"}],
    project.scenarios_hold_no_copies: [
        {"molecule/a/molecule.yml": "#\n" * 33},
        {"molecule/a/converge.yml": "x"},
    ],
    project.no_two_files_are_equal: [{"a": "the same\ntwo lines\n", "b/c": "the same\ntwo lines\n"}],
    project.no_file_is_empty: [{"a/.gitkeep": ""}],
    project.no_path_of_a_workshop: [{"a": "see /ro" + "ot/x"}, {"a": "cd /wo" + "rk/x"}],
    project.top_playbook_is_three_lines: [{"site.yml": "---\n"}],
    project.fragments_are_valid: [
        {"changelogs/config.yaml": "sections: [[bugfixes, B]]", "changelogs/fragments/a.yml": "bugs: [It works.]"},
        {"changelogs/config.yaml": "sections: [[bugfixes, B]]", "changelogs/fragments/a.yml": "bugfixes: It works."},
        {"changelogs/config.yaml": "sections: [[bugfixes, B]]", "changelogs/fragments/a.yml": "bugfixes: [It works]"},
    ],
    project.headings_of_troubles_are_messages: [
        {"docs/troubleshooting.md": "# What a run says\n## It broke ... today\n", "plugins/a.py": "f'It broke {when}'"},
    ],
    project.commands_in_the_papers_exist: [
        {"README.md": "```sh\nansible-playbook web2py.deploy.nothing\n```\n"},
        {"README.md": "```sh\nansible-playbook nothing.yml\n```\n"},
        {"README.md": "```sh\nansible-playbook -i inventories/none web2py.deploy.a\n```\n", "playbooks/a.yml": "x"},
        {"README.md": "```sh\ncp -r inventories/none mine\n```\n"},
        {"README.md": "Run `make nothing`.", "Makefile": "test:\n\ttrue\n"},
        {"docs/a.md": "```yaml\nweb2py_nonsense: 1\n```\n"},
        {"docs/a.md": "[page](missing.md)"},
    ],
}


@pytest.mark.parametrize("rule", SAMPLES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Callable[[Tree], list[str]]) -> None:
    assert rule(Tree(ROOT)) == []


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        pytest.param(rule, files, id=f"{rule.__name__}-{number}")
        for rule, samples in SAMPLES.items()
        for number, files in enumerate(samples)
    ],
)
def test_a_bad_sample_breaks(rule: Callable[[Tree], list[str]], files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert rule(Tree(tmp_path)) != []


def test_every_rule_is_in_the_table() -> None:
    rules = {
        value
        for module in (roles, project)
        for value in vars(module).values()
        if callable(value)
        and getattr(value, "__module__", "") == module.__name__
        and value.__annotations__.get("tree") == "Tree"
    }
    helpers = {
        roles.defaults,
        roles.specs,
        roles.options,
        roles.ran,
        roles.reached,
        project.lost_words,
        project.known_variables,
    }
    assert rules - helpers == set(SAMPLES)
