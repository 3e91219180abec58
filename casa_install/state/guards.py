"""A lint for roles: what is no list is done only where a `check` says that it is owed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from casa_install.state.findings import Finding, Place, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casa_install.state.document import StateFile

# fmt: off
_READING = (
    "assert", "debug", "fail", "getent", "include_vars", "meta", "package_facts", "pause", "service_facts",
    "set_fact", "set_stats", "setup", "slurp", "stat", "uri", "validate_argument_spec", "wait_for",
    "wait_for_connection", "import_role", "include_role",
)
_KEYWORDS = frozenset((
    "name", "when", "tags", "register", "changed_when", "failed_when", "notify", "loop", "loop_control",
    "vars", "become", "become_user", "no_log", "delegate_to", "delegate_facts", "run_once", "until",
    "retries", "delay", "check_mode", "diff", "environment", "ignore_errors", "ignore_unreachable", "listen",
    "args", "async", "poll", "throttle", "any_errors_fatal", "module_defaults", "block", "rescue", "always",
))
# fmt: on
_CHANGES_NOTHING = frozenset(
    {
        "casa_state",
        "casa.install.casa_state",
        "casa.install.casa_sign",
        *_READING,
        *(f"ansible.builtin.{name}" for name in _READING),
    }
)
_INCLUDES = frozenset(
    f"{prefix}{name}" for prefix in ("", "ansible.builtin.") for name in ("include_tasks", "import_tasks")
)
_GUARD = re.compile(r"""(['"])(?P<check>[^'"]+)\1\s+in\s+\w+\.owed""")


def unguarded_tasks(state: StateFile) -> list[Finding]:
    """Find tasks of a role that may change a host though nothing says that they are owed.

    Followed are `tasks/main.yml` and what it includes. A task counts as guarded where its own `when:`, or
    that of a block or include around it, has the form `'<check>' in <result>.owed`; as harmless where it
    says `changed_when: false` or its module changes nothing.

    Args:
        state: The role's list, whose `check` resources are the guards' names.

    Returns:
        One finding per unguarded task, and per guard that names no check of the list.
    """
    checks = {str(entry.main) for entry in state.entries if entry.kind.name == "check"}
    main = state.directory / "tasks" / "main.yml"
    return sorted(set(_file(main, checks, guarded=False)))


def _file(path: Path, checks: set[str], *, guarded: bool) -> Iterator[Finding]:
    if not path.is_file():
        return
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _task(item, path, checks, guarded=guarded)


def _task(node: yaml.Node, path: Path, checks: set[str], *, guarded: bool) -> Iterator[Finding]:
    if not isinstance(node, yaml.MappingNode):
        return
    place = Place(str(path), node.start_mark.line + 1)
    nodes = {str(key.value): value for key, value in node.value}
    for match in _GUARD.finditer(str(_plain(nodes.get("when")))):
        name = match["check"]
        if name in checks:
            guarded = True
        else:
            yield Finding(place, f"{name!r} is no check of state.yml{did_you_mean(name, checks)}")
    for part in ("block", "rescue", "always"):
        for item in getattr(nodes.get(part), "value", []):
            yield from _task(item, path, checks, guarded=guarded)
    module = next((key for key in nodes if key not in _KEYWORDS and not key.startswith("with_")), None)
    if module in _INCLUDES:
        target = _plain(nodes[str(module)])
        name = target.get("file", "") if isinstance(target, dict) else str(target)
        if "{{" not in name:
            yield from _file(path.parent / name, checks, guarded=guarded)
            return
    if module is None or guarded or module in _CHANGES_NOTHING:
        return
    if _plain(nodes.get("changed_when")) not in (False, "false"):
        yield Finding(
            place,
            f"{module} may change the host, but no check guards it: `when: \"'<check>' in <result>.owed\"`",
        )


def _plain(node: yaml.Node | None) -> Any:
    """Return a node's data, tags such as !vault aside."""
    if isinstance(node, yaml.ScalarNode):
        return (
            False
            if node.tag.endswith(":bool") and node.value.lower() in ("false", "no", "off")
            else node.value
        )
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(_plain(key)): _plain(value) for key, value in node.value}
    return None
