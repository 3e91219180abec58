"""The public variables of all roles, from `roles/*/meta/argument_specs.yml`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from casa_install.errors import CasaError
from casa_install.site.collection import collection_root

if TYPE_CHECKING:
    from pathlib import Path

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKUP = re.compile(r"\b[A-Z]\(([^)]*)\)")
_NO_DEFAULT = object()


@dataclass(frozen=True, slots=True)
class Option:
    """One variable, or one key of a variable that is a mapping.

    Source: "Specification format" in Ansible's guide to role argument validation.
    """

    name: str
    type: str = "str"
    elements: str = ""
    choices: tuple[object, ...] = ()
    required: bool = False
    has_default: bool = False
    secret: bool = False
    description: str = ""
    options: dict[str, Option] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Specs:
    """What the roles together accept.

    Args:
        options: Every public variable.
        roles: Each role and the variables that its main entry point takes.
    """

    options: dict[str, Option]
    roles: dict[str, dict[str, Option]]

    def role_of(self, name: str) -> str:
        """Return the role whose prefix a variable's name carries, or an empty string."""
        owners = [role for role in self.roles if name.startswith((f"{role}_", f"__{role}_"))]
        return max(owners, key=len, default="")


@cache
def load_specs(root: Path | None = None) -> Specs:
    """Read the argument specs of all roles.

    Args:
        root: The directory that holds `roles/`; the installed collection by default.

    Raises:
        CasaError: A spec cannot be read; the installation is then damaged.
    """
    options: dict[str, Option] = {}
    roles: dict[str, dict[str, Option]] = {}
    for path in sorted((root or collection_root()).glob("roles/*/meta/argument_specs.y*ml")):
        entry_points = _entry_points(path)
        role = path.parent.parent.name
        for name, table in entry_points.items():
            found = _options_of(table)
            options.update(found)
            if name == "main":
                roles[role] = found
        roles.setdefault(role, {})
    return Specs(options, roles)


def _entry_points(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506 - a safe loader
        return dict(loaded["argument_specs"] or {})
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise CasaError(f"The role's argument spec {path} cannot be read: {reason}") from error


def _options_of(table: dict[str, Any] | None) -> dict[str, Option]:
    return {name: _option(name, spec or {}) for name, spec in ((table or {}).get("options") or {}).items()}


def _first_sentence(description: object) -> str:
    """Return the beginning of a description as plain text, without Ansible's markup such as C(...)."""
    text = str(description[0] if isinstance(description, list) and description else description)
    sentence = _MARKUP.sub(r"`\1`", text).partition(". ")[0].strip().rstrip(".")
    return f"{sentence}." if sentence else ""


def _option(name: str, spec: dict[str, Any]) -> Option:
    return Option(
        name=name,
        type=spec.get("type", "str"),
        elements=spec.get("elements", ""),
        choices=tuple(spec.get("choices", ())),
        required=bool(spec.get("required", False)),
        has_default=spec.get("default", _NO_DEFAULT) not in (_NO_DEFAULT, None),
        secret=bool(spec.get("no_log", False)),
        description=_first_sentence(spec.get("description", "")),
        options=_options_of(spec),
        aliases=tuple(spec.get("aliases", ())),
    )
