"""Checks of every single definition: its name, its type, and whether a placeholder is left in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casa_install.site.argument_types import check_value
from casa_install.site.findings import Finding, printable, shown_path
from casa_install.site.spelling import closest, did_you_mean
from casa_install.site.values import DictValue, ListValue, ScalarValue, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.site.definitions import Definition, Inventory
    from casa_install.site.specs import Specs

_PLACEHOLDER = re.compile(r"(?<![A-Za-z])CHANGE[-_]?ME(?![A-Za-z])", re.IGNORECASE)


_ALLOW = "notebook_allow"


def check_variables(inventory: Inventory, specs: Specs) -> Iterator[Finding]:
    """Yield what is wrong with the definitions of an inventory."""
    verdicts: dict[str, tuple[str, str]] = {}
    for definition in inventory.definitions:
        name = definition.name
        if name not in verdicts:
            verdicts[name] = _name_verdict(name, specs)
        message, hint = verdicts[name]
        if message:
            yield Finding.at(definition.place, message, hint)
        elif name in specs.options:
            yield from check_value(name, definition.value, specs.options[name])
            if specs.options[name].secret:
                yield from _in_clear(definition)
            if name == _ALLOW:
                yield from _admits_nobody(definition)
        yield from _placeholders(definition)
    yield from _placeholder_hosts(inventory)


def own_variables(inventory: Inventory, specs: Specs) -> tuple[str, ...]:
    """Return the names that are the site's own: neither ours nor Ansible's, in alphabetical order."""
    names = {definition.name for definition in inventory.definitions}
    return tuple(sorted(n for n in names if n not in specs.options and not n.startswith("ansible_")))


def _name_verdict(name: str, specs: Specs) -> tuple[str, str]:
    """Return message and hint about a name, both empty if it is ours or may be the site's own."""
    if name in specs.options or name.startswith("ansible_"):
        return "", ""
    close = closest(name, specs.options)
    shown = printable(name)
    if role := specs.role_of(name):
        if name.startswith("__"):
            return f"`{shown}` is internal to role `{role}` and must not be set{did_you_mean(close)}", ""
        message = f"role `{role}` has no variable `{shown}`{did_you_mean(close)}"
        return message, "" if close else f"A variable of your own must not begin with `{role}_`."
    if close:
        return f"unknown variable `{shown}`{did_you_mean(close)}", ""
    return "", ""


def _in_clear(definition: Definition) -> Iterator[Finding]:
    """Yield a secret that is neither encrypted, in an encrypted file, empty nor looked up elsewhere."""
    value = definition.value
    if isinstance(value, ScalarValue) and value.data and not value.secret and not value.is_template:
        file = shown_path(value.place.path)
        message = f"`{printable(definition.name)}` is a secret and is not encrypted"
        yield Finding.at(definition.place, message, f"Encrypt its file: `ansible-vault encrypt {file}`.")


def _admits_nobody(definition: Definition) -> Iterator[Finding]:
    """Yield a rule of a notebook hub by which nobody could log in; one that is computed is not known here."""
    value = definition.value
    if not isinstance(value, DictValue) or value.is_template:
        return
    said = [entry.value for entry in value.entries.values()]
    empty = [
        (isinstance(one, ListValue) and not one.items) or (isinstance(one, ScalarValue) and not one.data)
        for one in said
    ]
    if all(empty):
        message = f"`{_ALLOW}` admits nobody, so nobody could log in to the hub"
        yield Finding.at(definition.place, message, "Give `users`, `groups` or `all: true`.")


def _placeholders(definition: Definition) -> Iterator[Finding]:
    for scalar in scalars(definition.value):
        if isinstance(scalar.data, str) and (match := _PLACEHOLDER.search(scalar.data)):
            shown = printable(definition.name)
            message = f"`{shown}` still has the placeholder `{match.group()}`"
            yield Finding.at(scalar.place, message, f"Replace it by your site's value of `{shown}`.")


def _placeholder_hosts(inventory: Inventory) -> Iterator[Finding]:
    for name, places in inventory.hosts.items():
        if match := _PLACEHOLDER.search(name):
            message = f"host `{printable(name)}` still has the placeholder `{match.group()}`"
            for place in places:
                yield Finding.at(place, message, "Replace it by the name of your host.")
