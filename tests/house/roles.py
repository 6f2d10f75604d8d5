"""Rules for roles. Each takes the tree and returns what breaks it, in words that say where and what."""

from __future__ import annotations

import re
from typing import Any

from tests.house.tree import Tree, arguments_of, module_of, walk

PURPOSES = {"install", "configure", "content", "verify"}
SHARED_FACTS = {"web2py_resolved", "web2py_host", "web2py_services"}
READERS = {"ansible.builtin.assert", "ansible.builtin.debug", "ansible.builtin.uri", "ansible.builtin.wait_for"}
FACT = re.compile(
    r"\bansible_(distribution|os_family|hostname|fqdn|nodename|architecture|kernel|system|machine|default_ipv[46]|"
    r"all_ipv[46]|memtotal|memory_mb|processor|python|pkg_mgr|service_mgr|date_time|lsb|env|user_id|interfaces|devices|"
    r"mounts|virtualization|selinux|facts)\w*\b"
)
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


def files_of_a_role(tree: Tree) -> list[str]:
    """A role ships its documentation, its inputs and what they mean."""
    needed = ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml")
    return [
        f"roles/{role}/{name} is missing"
        for role in tree.roles
        for name in needed
        if not tree.text(f"roles/{role}/{name}")
    ]


def pages_say_what_a_role_leaves(tree: Tree) -> list[str]:
    """What it changes, what a second run does, how it is removed: in these words, so that a reader finds them."""
    wanted = {
        "What it changes on the host": r"^(\*\*|## )What it changes on the host",
        "A second run": r"^(\*\*A second run\*\*|## What a second run does$)",
        "Remove": r"^(\*\*Remove\*\*|## How to remove it$)",
    }
    return [
        f"roles/{role}/README.md does not say: {word}"
        for role in tree.roles
        for word, pattern in wanted.items()
        if not re.search(pattern, tree.text(f"roles/{role}/README.md"), re.MULTILINE)
    ]


def task_files_are_short(tree: Tree) -> list[str]:
    """main.yml is a table of contents, every other file one concern."""
    found = []
    for name in tree.match("roles/*/tasks/**/*.yml"):
        limit = 45 if name.endswith("/tasks/main.yml") else 120
        if tree.lines(name) > limit:
            found.append(f"{name}: {tree.lines(name)} lines, at most {limit}")
    return found


def inputs_are_few(tree: Tree) -> list[str]:
    """An administrator reads a role's inputs in two minutes; site is the one table and excepted."""
    counts = {role: len(defaults(tree, role)) for role in tree.roles if role != "site"}
    return [f"roles/{role}: {count} inputs, at most 25" for role, count in counts.items() if count > 25]


def tasks_are_named_as_outcomes(tree: Tree) -> list[str]:
    """`install | Packages are there`: file first, capital, no period, a variable part only at the end."""
    found = []
    for name, task in tree.tasks():
        title = str(task.get("name", ""))
        stem = name.rpartition("/")[2].removesuffix(".yml")
        prefix, _bar, rest = title.rpartition(" | ")
        if not title:
            found.append(f"{name}: a task has no name")
        elif stem != "main" and prefix.partition(" | ")[0] != stem:
            found.append(f"{name}: '{title}' does not begin with '{stem} | '")
        elif not re.match(r"[A-Z0-9]", rest) or rest.endswith("."):
            found.append(f"{name}: '{title}' needs a capital first and no period")
        elif "{{" in rest and not rest.endswith("}}"):
            found.append(f"{name}: '{title}' has its variable part not at the end")
    return found


def modules_are_fully_named(tree: Tree) -> list[str]:
    return [
        f"{name}: {module_of(task)} is not a full name"
        for name, task in tree.tasks()
        if module_of(task) and not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+){2,}", module_of(task))
    ]


def failures_and_changes_are_not_hidden(tree: Tree) -> list[str]:
    """A read-only probe says so by check_mode: false; nothing else may deny that it changed or failed."""
    found = []
    for name, task in tree.tasks():
        module = module_of(task)
        reader = module in READERS or module.endswith("_info") or task.get("check_mode") is False
        found += [f"{name}: ignore_errors in '{task.get('name')}'"] if "ignore_errors" in task else []
        for word in ("changed_when", "failed_when"):
            if task.get(word) is False and not reader:
                found.append(f"{name}: {word}: false on a task that can change something: '{task.get('name')}'")
    return found


def commands_say_when_they_change(tree: Tree) -> list[str]:
    """No shell, no silent change, no secret among the arguments."""
    found = []
    for name, task in tree.tasks():
        module = module_of(task)
        if module.endswith((".shell", ".raw", ".script")):
            found.append(f"{name}: {module} in '{task.get('name')}'")
        known = {"creates", "removes"} & set(arguments_of(task))
        if module.endswith(".command") and "changed_when" not in task and not known:
            found.append(f"{name}: '{task.get('name')}' neither changed_when nor creates")
        if module.endswith(".command") and re.search(
            "password|secret|passphrase", str(arguments_of(task).get("argv", ""))
        ):
            found.append(f"{name}: '{task.get('name')}' shows a secret in the list of processes")
    return found


def loops_of_roles_name_their_variable(tree: Tree) -> list[str]:
    """A role that is included in a loop may loop itself, over `item`."""
    found = []
    plays = [(name, play) for name in tree.match("playbooks/*.yml") for play in tree.yaml(name)]
    parts = [(name, walk(play.get(part))) for name, play in plays for part in ("pre_tasks", "tasks", "post_tasks")]
    tasks = [(name, task) for name, rows in parts for task in rows]
    for name, task in [*tasks, *tree.tasks()]:
        included = module_of(task) in ("ansible.builtin.include_role", "ansible.builtin.include_tasks")
        if included and "loop" in task and not (task.get("loop_control") or {}).get("loop_var"):
            found.append(f"{name}: '{task.get('name')}' needs loop_control.loop_var")
    return found


def files_have_owner_and_mode(tree: Tree) -> list[str]:
    found = []
    for name, task in tree.tasks():
        arguments = arguments_of(task)
        if module_of(task) in ("ansible.builtin.copy", "ansible.builtin.template"):
            lost = [word for word in ("owner", "group", "mode") if word not in arguments]
            found += [f"{name}: '{task.get('name')}' lacks {', '.join(lost)}"] if lost else []
        found += [f"{name}: mode {mode!r} is not a quoted 4-digit mode" for mode in modes(arguments)]
        if module_of(task) in ("ansible.builtin.lineinfile", "ansible.builtin.blockinfile", "ansible.builtin.replace"):
            found.append(f"{name}: {module_of(task)} edits a file that should be written whole")
    return found


def modes(value: Any) -> list[Any]:
    """Every `mode` in a task's arguments that is no quoted 4-digit mode."""
    if isinstance(value, list):
        return [mode for item in value for mode in modes(item)]
    if not isinstance(value, dict):
        return []
    bad = [mode for item in value.values() for mode in modes(item)]
    mode = value.get("mode")
    if mode is not None and not (isinstance(mode, str) and ("{{" in mode or re.fullmatch("[0-7]{4}", mode))):
        bad.append(mode)
    return bad


def no_forbidden_words(tree: Tree) -> list[str]:
    """Facts are not gathered, runs are not random, and main.yml of a role that a playbook runs lets tags through."""
    found = []
    static = [f"roles/{role}/tasks/main.yml" for role in ran(tree)]
    for name in tree.match("roles/*/*/**/*.yml", "roles/*/templates/**/*", "playbooks/*.yml"):
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            code = line.partition(" #")[0]
            if code.lstrip().startswith("#"):
                continue
            found += [f"{name}:{number}: fact {match[0]}" for match in FACT.finditer(code)]
            found += [f"{name}:{number}: random"] if re.search(r"\|\s*random\b|lookup\('random_choice", code) else []
            if name in static and "include_tasks" in code:
                found.append(f"{name}:{number}: include_tasks where import_tasks lets tags through")
    return found


def no_code_in_comments(tree: Tree) -> list[str]:
    pattern = re.compile(r"^\s*#\s*(- name: |ansible\.builtin\.\w+:|when: |register: |notify: )", re.MULTILINE)
    return [
        f"{name}: commented-out code"
        for name in tree.match("roles/*/tasks/**/*.yml")
        if pattern.search(tree.text(name))
    ]


def handlers_are_few_verbs(tree: Tree) -> list[str]:
    found = []
    for name in tree.match("roles/*/handlers/main.yml"):
        titles = [str(task.get("name", "")) for task in tree.yaml(name)]
        found += [f"{name}: {len(titles)} handlers, at most 3"] if len(titles) > 3 else []
        found += [f"{name}: '{title}'" for title in titles if not re.match("(Reload|Restart) ", title)]
    return found


def internal_names_are_marked(tree: Tree) -> list[str]:
    """`__ROLE_x` for constants, registers and facts; inputs are never written."""
    found = []
    for name in tree.match("roles/*/vars/*.yml"):
        role = name.split("/")[1]
        found += [f"{name}: {key} is no __{role}_ name" for key in tree.yaml(name) if not key.startswith(f"__{role}_")]
    for name, task in tree.tasks():
        role = name.split("/")[1]
        written = [str(task["register"])] if "register" in task else []
        if module_of(task) == "ansible.builtin.set_fact":
            written += [key for key in arguments_of(task) if key != "cacheable"]
        allowed = SHARED_FACTS if role == "site" else set()
        found += [f"{name}: writes {key}" for key in written if not key.startswith(f"__{role}_") and key not in allowed]
    return found


def roles_use_their_own_variables(tree: Tree) -> list[str]:
    """A role meets the site in its defaults only, and other roles only where it hands them their inputs."""
    owner = {key: role for role in tree.roles for key in defaults(tree, role) | options(tree, role)}
    choices = {key for key, role in owner.items() if role == "site"}
    handed: dict[str, set[str]] = {}
    for name, task in tree.tasks():
        if module_of(task) in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
            called = str(arguments_of(task)["name"]).rpartition(".")[2]
            handed.setdefault(name, set()).update(key for key in task.get("vars", {}) if owner.get(key) == called)
    found = []
    for name in tree.match("roles/*/*/**/*.yml", "roles/*/*/**/*.j2"):
        role, part = name.split("/")[1:3]
        if part in ("files", "meta"):
            continue
        for word in sorted(set(re.findall(r"\b(?<!deploy\.)(?:__)?[a-z][a-z0-9_]*\b", tree.text(name)))):
            foreign = owner.get(word, role) != role
            private = word.startswith("__") and any(word.startswith(f"__{other}_") for other in tree.roles)
            if private and not word.startswith(f"__{role}_"):
                found.append(f"{name}: {word} is internal to another role")
            elif foreign and not (
                word in SHARED_FACTS or (part == "defaults" and word in choices) or word in handed.get(name, ())
            ):
                found.append(f"{name}: {word} belongs to role {owner[word]}")
    return found


def defaults_are_what_the_spec_says(tree: Tree) -> list[str]:
    """Keys, values and types; what is required or secret has no default."""
    found = []
    for role in tree.roles:
        real = defaults(tree, role)
        for entry, spec in specs(tree, role).items():
            for key, option in (spec.get("options") or {}).items():
                place = f"roles/{role} {entry} {key}"
                if "default" in option and key not in real:
                    found.append(f"{place}: the spec has a default, defaults/main.yml has none")
                elif key in real and option.get("required"):
                    found.append(f"{place}: required, yet it has a default")
                elif key in real and ("default" not in option or not same(option["default"], real[key])):
                    found.append(f"{place}: documented {option.get('default')!r}, real {real[key]!r}")
                elif key in real:
                    found += [f"{place}: {problem}" for problem in type_problems(option, real[key])]
                if re.search("_(password|secret|key)$", key) and not option.get("no_log"):
                    found.append(f"{place}: a secret without no_log")
        found += [f"roles/{role}: {key} is not in the spec" for key in real if key not in options(tree, role)]
        # The choices are the site's, so they carry the product's name instead of the role's.
        prefixes = ("web2py_", "site_") if role == "site" else (f"{role}_",)
        found += [
            f"roles/{role}: {key} does not begin with {prefixes[0]}" for key in real if not key.startswith(prefixes)
        ]
    return found


def same(documented: Any, real: Any) -> bool:
    return type(documented) is type(real) and bool(documented == real)


def type_problems(option: dict[str, Any], value: Any) -> list[str]:
    if isinstance(value, str) and "{{" in value:
        return []
    kind = option.get("type", "str")
    found = []
    if kind in TYPES and (not isinstance(value, TYPES[kind]) or (kind != "bool" and isinstance(value, bool))):
        found.append(f"{value!r} is no {kind}")
    if option.get("choices") and value not in option["choices"]:
        found.append(f"{value!r} is not one of the choices")
    return found


def pages_show_the_spec(tree: Tree) -> list[str]:
    from tools.docs import stale

    return [f"{page.relative_to(tree.root)}: stale, run make docs" for page in stale(tree.root)]


def templates_are_plain(tree: Tree) -> list[str]:
    """The first line says who writes the file, except in parts that others include; data is shaped in Python."""
    found = []
    for name in tree.match("roles/*/templates/**/*.j2"):
        text = tree.text(name)
        role = name.split("/")[1]
        whole = "".join(tree.text(other) for other in tree.match(f"roles/{role}/templates/**/*.j2"))
        parts = re.findall(r"{%-?\s*(?:include|import|from|extends)\s+'([^']+)'", whole)
        relative = name.split("/templates/")[1]
        # What visitors see does not tell them how the host is kept.
        plain = relative.endswith(".html.j2") or relative.startswith(tuple(parts))
        if not plain and not re.match(r"{{ ansible_managed \| comment", text):
            found.append(f"{name}: the first line is not {{{{ ansible_managed | comment }}}}")
        found += [f"{name}: {tree.lines(name)} lines, at most 120"] if tree.lines(name) > 120 else []
        found += [f"{name}: a program in Jinja (set)"] if re.search(r"{%-?\s*set\b", text) else []
        found += [f"{name}: a date makes every run a change"] if re.search(r"\bnow\(|strftime|date_time", text) else []
    return found


def tags_are_known(tree: Tree) -> list[str]:
    """A tag is a role's name or one of four purposes; README.md lists exactly those in use."""
    used: set[str] = set()
    for name in tree.match("roles/*/tasks/**/*.yml", "playbooks/**/*.yml"):
        used |= tags(tree.yaml(name))
    used -= {"always", "never"}
    found = [f"tag {tag} is neither a role nor a purpose" for tag in sorted(used - PURPOSES - set(tree.roles))]
    section = re.search(r"^#+ Tags\n(.*?)(?=^#|\Z)", tree.text("README.md"), re.MULTILINE | re.DOTALL)
    if tree.text("README.md"):
        listed = set(re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)) if section else set()
        found += [f"tag {tag} is not in README.md's section Tags" for tag in sorted(used - listed)]
        found += [f"README.md lists the tag {tag}, which no task has" for tag in sorted(listed - used)]
    return found


def purposes_reach_what_they_name(tree: Tree) -> list[str]:
    """In roles that a playbook runs: install is packages, content is staging and switching, configure the rest.

    Variables are read for every tag: Ansible needs them to check what an imported role is told, whatever runs of it.
    """
    found = []
    for role in ran(tree):
        for entry in tree.yaml(f"roles/{role}/tasks/main.yml") or []:
            own = [tag for tag in entry.get("tags", []) if tag in PURPOSES]
            place = f"roles/{role}/tasks/main.yml: '{entry.get('name')}'"
            if module_of(entry).endswith("include_vars"):
                found += [f"{place} is not tagged always"] if entry.get("tags") != ["always"] else []
                continue
            found += [f"{place} has {len(own)} purposes"] if len(own) != 1 else []
            for task in reached(tree, role, entry):
                word = purpose(task)
                found += [f"{place} does not reach '{task.get('name')}' ({word})"] if own != [word] else []
    return found


def ran(tree: Tree) -> list[str]:
    """The roles whose main tasks a playbook runs, but for the one that resolves the site for every tag."""
    plays = [play for name in tree.match("playbooks/*.yml") for play in tree.yaml(name) if isinstance(play, dict)]
    found = {str(row["role"]) for play in plays for row in play.get("roles", [])}
    for task in (task for play in plays for task in walk(play.get("tasks"))):
        told = arguments_of(task)
        if module_of(task).endswith(("import_role", "include_role")) and "tasks_from" not in told:
            found.add(str(told["name"]))
    return sorted(role.rpartition(".")[2] for role in found if "{{" not in role and role != "web2py.deploy.site")


def reached(tree: Tree, role: str, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """A task, or all tasks of the file that it brings in."""
    if not module_of(entry).endswith(("import_tasks", "include_tasks")):
        return [entry]
    inner = walk(tree.yaml(f"roles/{role}/tasks/{entry[module_of(entry)]}"))
    return [task for one in inner if module_of(one) for task in reached(tree, role, one)]


def purpose(task: dict[str, Any]) -> str:
    if str(arguments_of(task).get("name")) == "web2py.deploy.packages":
        return "install"
    staging = ("web2py.deploy.web2py_source", "web2py.deploy.applications")
    # Whoever judges what was found of a site changes nothing either.
    if module_of(task) == "web2py.deploy.site_status" or "__status_found" in str(arguments_of(task)):
        return "verify"
    return "content" if module_of(task) in staging else "configure"


def tags(value: Any) -> set[str]:
    if isinstance(value, list):
        return {tag for item in value for tag in tags(item)}
    if not isinstance(value, dict):
        return set()
    own = value.get("tags", [])
    return set([own] if isinstance(own, str) else own) | {tag for item in value.values() for tag in tags(item)}


def defaults(tree: Tree, role: str) -> dict[str, Any]:
    return dict(tree.yaml(f"roles/{role}/defaults/main.yml"))


def specs(tree: Tree, role: str) -> dict[str, Any]:
    return dict(tree.yaml(f"roles/{role}/meta/argument_specs.yml").get("argument_specs", {}))


def options(tree: Tree, role: str) -> dict[str, Any]:
    return {key: option for spec in specs(tree, role).values() for key, option in (spec.get("options") or {}).items()}
