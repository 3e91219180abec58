"""The roles and their public variables, with all that a page tells about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tools.docs.flow import flow

if TYPE_CHECKING:
    from pathlib import Path

GENERATED = "Generated from the roles' argument specs by `make docs`"
"""Stands in the first line of every generated file."""

_MISSING = object()


class SpecError(Exception):
    """An argument spec lacks what a page needs; the message names the file."""


@dataclass(frozen=True)
class Variable:
    """One public variable, or one key of a variable that is a mapping.

    Attributes:
        name: Its name; keys of mappings as `variable.key`, of lists of mappings as `variable[].key`.
        type: For people, for example `list of str`.
        required: Whether a site must define it.
        default: The default, or ``None`` without one; see `has_default`.
        has_default: False when it has none, or one that follows from other values; the description tells.
        choices: The accepted values, if they are listed.
        paragraphs: The description, in Ansible's markup.
        keys: Those of a mapping.
    """

    name: str
    type: str
    required: bool
    default: object
    has_default: bool
    choices: tuple[object, ...]
    paragraphs: tuple[str, ...]
    keys: tuple[Variable, ...] = ()

    @property
    def accepted(self) -> str:
        """A sentence that lists the accepted values; empty when they are not listed."""
        if not self.choices:
            return ""
        beginning = "Any of" if self.type.startswith("list") else "One of"
        return f"{beginning} {', '.join(f'`{flow(choice)}`' for choice in self.choices)}."


@dataclass(frozen=True)
class Role:
    """One role of the collection.

    Attributes:
        name: Its directory.
        summary: One line.
        paragraphs: What it is, in Ansible's markup.
        variables: In the order of the spec.
        groups: Inventory groups whose hosts get it; empty for a role of every host.
        every_host: Whether every host gets it.
        platforms: Operating systems, for example `Debian bookworm, trixie`.
        dependencies: Roles that run first, by directory.
    """

    name: str
    summary: str
    paragraphs: tuple[str, ...]
    variables: tuple[Variable, ...]
    groups: tuple[tuple[str, str], ...]
    every_host: bool
    platforms: tuple[str, ...]
    dependencies: tuple[str, ...] = field(default=())


def load_roles(root: Path) -> list[Role]:
    """Read every role that has an argument spec, by name.

    Args:
        root: The checkout.

    Raises:
        SpecError: A description is missing, or a file is not what it should be.
    """
    table = _yaml(root / "casa_install" / "site" / "groups.yml")
    return [_role(path.parent.parent, table) for path in sorted(root.glob("roles/*/meta/argument_specs.yml"))]


def _role(directory: Path, table: dict[str, Any]) -> Role:
    specs = directory / "meta" / "argument_specs.yml"
    meta = _yaml(directory / "meta" / "main.yml")
    try:
        main = _yaml(specs)["argument_specs"]["main"]
    except (KeyError, TypeError) as error:
        raise SpecError(f"{specs}: there is no entry point `main`") from error
    if not main.get("short_description") or not main.get("description"):
        raise SpecError(f"{specs}: the role has no short_description or no description")
    name = directory.name
    return Role(
        name=name,
        summary=main["short_description"],
        paragraphs=_paragraphs(main["description"]),
        variables=tuple(_variable(specs, key, value) for key, value in (main.get("options") or {}).items()),
        groups=tuple(
            (group, entry["description"])
            for group, entry in table["groups"].items()
            if name in entry["roles"]
        ),
        every_host=name in table["every_host"],
        platforms=tuple(
            f"{entry['name']} {', '.join(entry['versions'])}"
            for entry in (meta.get("galaxy_info") or {}).get("platforms") or ()
        ),
        dependencies=tuple(
            (entry if isinstance(entry, str) else entry["role"]).rpartition(".")[2]
            for entry in meta.get("dependencies") or ()
        ),
    )


def _variable(specs: Path, name: str, spec: dict[str, Any]) -> Variable:
    if not spec.get("description"):
        raise SpecError(f"{specs}: `{name}` has no description")
    kind = spec.get("type", "str")
    elements = spec.get("elements")
    inside = f"{name}[]" if kind == "list" else name
    return Variable(
        name=name,
        type=f"{kind} of {elements}" if elements else kind,
        required=bool(spec.get("required", False)),
        default=spec.get("default"),
        has_default=spec.get("default", _MISSING) is not _MISSING,
        choices=tuple(spec.get("choices") or ()),
        paragraphs=_paragraphs(spec["description"]),
        keys=tuple(
            _variable(specs, f"{inside}.{key}", value) for key, value in (spec.get("options") or {}).items()
        ),
    )


def _paragraphs(description: str | list[str]) -> tuple[str, ...]:
    return (description,) if isinstance(description, str) else tuple(description)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    if not isinstance(loaded, dict):
        raise SpecError(f"{path}: is not a mapping")
    return loaded
