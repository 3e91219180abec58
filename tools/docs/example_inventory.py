"""`inventories/example/`: every group that has a component, and every option with what it means."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tools.docs.flow import flow
from tools.docs.markup import to_markdown
from tools.docs.roles import GENERATED, SpecError

if TYPE_CHECKING:
    from tools.docs.roles import Role, Variable

EXAMPLE = Path("inventories", "example")
_FILLING = Path(__file__).with_name("example.yml")
_WIDTH = 100


def example_inventory(roles: list[Role]) -> dict[Path, str]:
    """Return the files of the example inventory, by path in the checkout.

    Raises:
        SpecError: ``example.yml`` has no value or host where one is needed.
    """
    files = {EXAMPLE / "hosts.yml": _hosts(roles)}
    for role in roles:
        if role.variables:
            files[EXAMPLE / "group_vars" / "all" / f"{role.name}.yml"] = _variables(role)
    return files


def example_value(variable: Variable) -> object:
    """Return a value that a site could have: the default, or one of ``example.yml``.

    Raises:
        SpecError: It has neither.
    """
    values = _filling()["values"]
    if variable.name in values:
        return values[variable.name]
    if variable.has_default:
        return variable.default
    raise SpecError(f"{_FILLING}: `{variable.name}` has no default, so it needs an example under `values`")


@cache
def _filling() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(_FILLING.read_text(encoding="utf-8"))
    return loaded


def _hosts(roles: list[Role]) -> str:
    groups = {group: text for role in roles for group, text in role.groups}
    lines = [
        f"# {GENERATED}; do not edit, copy the folder.",
        "# A host gets a component by being in its group; a group that is absent or empty costs nothing.",
        "# A host may be in several groups.",
        "all:",
        "  children:",
    ]
    hosts = _filling()["hosts"]
    for group in groups:
        if not hosts.get(group):
            raise SpecError(f"{_FILLING}: the group `{group}` needs an example under `hosts`")
    for group, names in hosts.items():
        if group not in groups:
            continue
        lines += [f"    # {groups[group]}.", f"    {group}:", "      hosts:"]
        lines += [f"        {name}:" for name in names]
    return "\n".join(lines) + "\n"


def _variables(role: Role) -> str:
    lines = [
        f"# {GENERATED}; do not edit, copy the folder.",
        f"# {role.summary}.",
        "# Lines that are commented out show the default, or an example where that follows from others.",
    ]
    for variable in role.variables:
        lines.append("")
        for paragraph in variable.paragraphs:
            lines += _comment(to_markdown(paragraph))
        if variable.accepted:
            lines += _comment(variable.accepted)
        assignment = f"{variable.name}: {flow(example_value(variable))}"
        needed = variable.required or variable.name in _filling()["needed"]
        lines.append(assignment if needed else f"# {assignment}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
