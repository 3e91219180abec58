"""A role's README, and the page with the options of all roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.docs.example_inventory import example_value
from tools.docs.flow import flow
from tools.docs.markup import in_table, to_markdown
from tools.docs.roles import GENERATED

if TYPE_CHECKING:
    from tools.docs.roles import Role, Variable

COLLECTION = "casa.install"


def role_page(role: Role, roles: list[Role]) -> str:
    """Return a role's README.

    Args:
        role: The role.
        roles: All of them: the example play sets what the role's dependencies require.
    """
    parts = [
        f"<!-- {GENERATED}; do not edit. -->",
        f"# {COLLECTION}.{role.name}",
        f"{role.summary}.",
        "\n".join(f"- {to_markdown(text)}" for text in role.paragraphs),
        _applies_to(role),
        "## Variables",
        option_table(role.variables),
        "## Example",
        _example_play(role, roles),
    ]
    return "\n\n".join(parts) + "\n"


def option_page(roles: list[Role]) -> str:
    """Return the page that lists the variables of all roles."""
    parts = [
        f"<!-- {GENERATED}; do not edit. -->",
        "# Options",
        "Every variable that a site can set, by role. They belong into `group_vars/` or `host_vars/` of the"
        " site's inventory. `inventories/example/` has them all; `casa-install validate` checks them.",
    ]
    for role in roles:
        parts += [f"## {role.name}", f"{role.summary}.", option_table(role.variables)]
    return "\n\n".join(parts) + "\n"


def option_table(variables: tuple[Variable, ...]) -> str:
    """Return a Markdown table of variables, the keys of mappings below their variable."""
    rows = ["| Name | Type | Default | Description |", "|---|---|---|---|"]
    rows += [_row(variable) for variable in _with_keys(variables)]
    return "\n".join(rows)


def _with_keys(variables: tuple[Variable, ...]) -> list[Variable]:
    found: list[Variable] = []
    for variable in variables:
        found += [variable, *_with_keys(variable.keys)]
    return found


def _row(variable: Variable) -> str:
    if variable.required:
        default = "**required**"
    elif variable.has_default:
        default = f"`{flow(variable.default)}`"
    else:
        default = "see description"
    description = " ".join(to_markdown(text) for text in variable.paragraphs)
    if variable.accepted:
        description += f" {variable.accepted}"
    cells = [f"`{variable.name}`", variable.type, default, description]
    return "| " + " | ".join(in_table(cell) for cell in cells) + " |"


def _applies_to(role: Role) -> str:
    if role.every_host:
        hosts = "every host"
    elif role.groups:
        hosts = "the hosts of " + ", ".join(f"`{name}` ({text})" for name, text in role.groups)
    else:
        hosts = "no host by itself"
    lines = [f"`casa-install` applies it to {hosts}."]
    if role.dependencies:
        lines.append("Runs first: " + ", ".join(f"`{COLLECTION}.{name}`" for name in role.dependencies) + ".")
    if role.platforms:
        lines.append("Operating systems: " + "; ".join(role.platforms) + ".")
    return "\n".join(lines)


def _example_play(role: Role, roles: list[Role]) -> str:
    needed = [one for one in roles if one.name in role.dependencies] + [role]
    required = [variable for one in needed for variable in one.variables if variable.required]
    hosts = ":".join(name for name, _ in role.groups) or "all"
    lines = [
        f"- name: Apply the role {role.name}",
        f"  hosts: {hosts}",
        "  gather_facts: false",
        "  become: true",
    ]
    if required:
        lines.append("  vars:")
        lines += [f"    {variable.name}: {flow(example_value(variable))}" for variable in required]
    lines += ["  roles:", f"    - role: {COLLECTION}.{role.name}"]
    return "\n".join(["```yaml", *lines, "```"])
