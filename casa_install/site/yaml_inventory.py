"""Reads a YAML inventory: groups with `hosts`, `vars` and `children`.

Source: the documentation of Ansible's inventory plugin `ansible.builtin.yaml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.site.definitions import Scope
from casa_install.site.findings import Finding, printable
from casa_install.site.values import DictValue, Entry, ScalarValue, Value

if TYPE_CHECKING:
    from casa_install.site.definitions import Group, Inventory
    from casa_install.site.findings import Place

_SECTIONS = ("hosts", "vars", "children")


def read_yaml_inventory(root: DictValue, inventory: Inventory) -> None:
    """Add what a YAML inventory says to `inventory`, mistakes included."""
    seen = set[tuple[str, int]]()
    for name, entry in root.entries.items():
        _read_group(name, entry, inventory, seen)


def _read_group(name: str, entry: Entry, inventory: Inventory, seen: set[tuple[str, int]]) -> None:
    """Read a group and those below it; `seen` keeps aliases from multiplying them."""
    group = inventory.add_group(name, entry.place)
    if _is_empty(entry.value) or (name, id(entry.value)) in seen:
        return
    seen.add((name, id(entry.value)))
    if not isinstance(entry.value, DictValue):
        message = f"group `{printable(name)}` must hold `hosts`, `vars` or `children`"
        inventory.findings.append(Finding.at(entry.value.place, message))
        return
    for key, section in entry.value.entries.items():
        if key not in _SECTIONS:
            inventory.findings.append(_stray_key(name, key, section.place))
            continue
        body = _section_body(name, key, section.value, inventory)
        for item, item_entry in body.items():
            if key == "hosts":
                _read_host(item, item_entry, group, inventory)
            elif key == "vars":
                inventory.define(item, item_entry.value, item_entry.place, Scope("group", (name,)))
            else:
                group.children[item] = None
                _read_group(item, item_entry, inventory, seen)


def _stray_key(group: str, key: str, place: Place) -> Finding:
    message = f"`{printable(key)}` in group `{printable(group)}` is none of `hosts`, `vars`, `children`"
    hint = "A group stands under `children:`, a host under `hosts:`, a variable under `vars:`."
    return Finding.at(place, message, hint)


def _section_body(group: str, key: str, value: Value, inventory: Inventory) -> dict[str, Entry]:
    """Return a section as a mapping; Ansible also takes a single name instead of one."""
    if isinstance(value, DictValue):
        return value.entries
    if isinstance(value, ScalarValue) and isinstance(value.data, str) and key != "vars":
        return {value.data: Entry(value.place, ScalarValue(value.place, None))}
    if not _is_empty(value):
        message = f"`{key}` of group `{printable(group)}` must be a mapping: one `name:` on each line"
        hint = "Ansible takes no list here: write `ep1:` where `- ep1` stands." if key != "vars" else ""
        inventory.findings.append(Finding.at(value.place, message, hint))
    return {}


def _read_host(pattern: str, entry: Entry, group: Group, inventory: Inventory) -> None:
    names = inventory.expand(pattern, entry.place)
    inventory.add_hosts(names, group, entry.place)
    scope = Scope("host", tuple(names))
    if isinstance(entry.value, DictValue):
        for name, variable in entry.value.entries.items():
            inventory.define(name, variable.value, variable.place, scope)
    elif not _is_empty(entry.value):
        message = f"host `{printable(pattern)}` must be followed by variables or by nothing"
        inventory.findings.append(Finding.at(entry.value.place, message))


def _is_empty(value: Value) -> bool:
    return isinstance(value, ScalarValue) and value.data is None
