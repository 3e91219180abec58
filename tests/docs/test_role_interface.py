"""A role's public interface: argument specs and defaults say the same, and names carry the role's prefix."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/argument_specs.yml"))

# The role whose purpose is that others read its values, those that it works out included.
READ_BY_OTHERS = "site"

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def options(role: Path) -> dict[str, Any]:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return dict(specs["argument_specs"]["main"].get("options") or {})


def defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults" / "main.yml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def assigned(path: Path) -> list[tuple[str, str]]:
    """The names that a variables file defines, each with the line before it."""
    lines = ["", *path.read_text(encoding="utf-8").splitlines()]
    found = []
    for before, line in itertools.pairwise(lines):
        if match := re.match(r"([A-Za-z_]\w*):", line):
            found.append((match[1], before))
    return found


def test_every_role_has_argument_specs() -> None:
    assert sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir()) == ROLES


@each_role
def test_defaults_equal_the_argument_specs(role: Path) -> None:
    specs, values = options(role), defaults(role)
    wrong = []
    for name in sorted(specs.keys() | values.keys()):
        if name not in specs:
            wrong.append(f"{name}: has a default but is not in the argument specs")
        elif specs[name].get("required"):
            if name in values or "default" in specs[name]:
                wrong.append(f"{name}: is required, so it must have no default")
        elif name not in values:
            wrong.append(f"{name}: is optional but defaults/main.yml does not have it")
        elif "default" in specs[name]:
            if (type(specs[name]["default"]), specs[name]["default"]) != (type(values[name]), values[name]):
                wrong.append(
                    f"{name}: {specs[name]['default']!r} in the specs, {values[name]!r} in the defaults"
                )
        elif not isinstance(values[name], str) or "{{" not in values[name]:
            wrong.append(f"{name}: has a plain default, {values[name]!r}, which the argument specs leave out")
    assert not wrong


@each_role
def test_a_default_that_follows_from_others_is_told_in_words(role: Path) -> None:
    untold = [
        name
        for name, spec in options(role).items()
        if "default" not in spec and not spec.get("required") and "default is" not in str(spec["description"])
    ]
    assert not untold


@each_role
def test_every_default_is_preceded_by_what_it_does(role: Path) -> None:
    path = role / "defaults" / "main.yml"
    bare = [name for name, before in assigned(path) if not before.startswith("# ")] if path.exists() else []
    assert not bare


@each_role
def test_public_names_carry_the_roles_prefix(role: Path) -> None:
    wrong = [
        name for name in options(role).keys() | defaults(role).keys() if not name.startswith(f"{role.name}_")
    ]
    assert not wrong


@each_role
def test_internal_names_are_private(role: Path) -> None:
    """`vars/` wins over the inventory, so nothing there may look like something that a site can set."""
    wrong = []
    for path in sorted((role / "vars").glob("*.yml")):
        for name, before in assigned(path):
            shared = (
                role.name == READ_BY_OTHERS and name.startswith(f"{role.name}_") and before.startswith("#")
            )
            if not name.startswith(f"__{role.name}_") and not shared:
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
            if name in options(role):
                wrong.append(f"{path.relative_to(ROOT)}: {name} is public, and could never be set")
    assert not wrong


@each_role
def test_registered_names_are_private(role: Path) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((role / "tasks").glob("*.yml"))
        for name in re.findall(r"^\s*register: *(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        if not name.startswith(f"__{role.name}_")
    ]
    assert not wrong
