"""Reads an INI inventory: `[group]`, `[group:children]`, `[group:vars]` and hosts with inline variables.

Source: the documentation of Ansible's inventory plugin `ansible.builtin.ini`.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import TYPE_CHECKING

from casa_install.site.definitions import Scope
from casa_install.site.findings import Finding, Place, printable
from casa_install.site.values import DictValue, Entry, ListValue, ScalarValue, Value

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.site.definitions import Inventory

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP_NAME = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_BUILT_IN = {"all", "ungrouped"}
_LITERAL_LIMIT = 10_000
"""Characters; Python's parser may run out of stack on a longer literal."""


def read_ini_inventory(text: str, path: Path, inventory: Inventory) -> None:
    """Add what an INI inventory says to `inventory`, mistakes included."""
    _IniReader(path, inventory).read(text)


class _IniReader:
    def __init__(self, path: Path, inventory: Inventory) -> None:
        self._path = path
        self._inventory = inventory
        self._group = "ungrouped"
        self._kind = "hosts"
        self._declared: set[str] = set()
        self._promised: list[tuple[str, Place, str]] = []

    def read(self, text: str) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            stripped = line.strip()
            if stripped and stripped[0] not in "#;":
                start = len(line) - len(line.lstrip()) + 1
                self._read_line(stripped, Place(self._path, number, start))
        for name, place, message in self._promised:
            if name not in _BUILT_IN and name not in self._declared and name not in self._inventory.groups:
                self._report(place, message, f"Add a section `[{printable(name)}]`, empty if need be.")

    def _report(self, place: Place, message: str, hint: str = "") -> None:
        self._inventory.findings.append(Finding.at(place, message, hint))

    def _read_line(self, line: str, place: Place) -> None:
        if section := _SECTION.fullmatch(line):
            self._start_section(section.group(1), section.group(2) or "hosts", place)
        elif line.startswith("[") and line.endswith("]"):
            self._report(place, f"`{printable(line[:60])}` is not a section; write [group] without blanks")
        elif self._kind == "hosts":
            self._read_hosts(line, place)
        elif self._kind == "vars":
            self._read_variable(line, place)
        elif self._kind == "children":
            self._read_child(line, place)

    def _start_section(self, group: str, kind: str, place: Place) -> None:
        self._group, self._kind = group, kind
        name_place = Place(place.path, place.line, place.column + 1)
        if kind not in ("hosts", "children", "vars"):
            message = f"section [{printable(group)}:{printable(kind)}] is none of :children and :vars"
            self._report(name_place, message)
        elif kind == "vars":
            message = f"[{printable(group)}:vars] belongs to a group that is nowhere declared"
            self._promised.append((group, name_place, message))
        else:
            self._declared.add(group)
            self._inventory.add_group(group, name_place)

    def _read_hosts(self, line: str, place: Place) -> None:
        try:
            tokens = shlex.split(line, comments=True)
        except ValueError as error:
            self._report(place, f"cannot split the line into host and variables: {error}")
            return
        if not tokens:
            return
        if tokens[0].startswith("---") or (tokens[0].endswith(":") and len(tokens) == 1):
            hint = "Give a YAML inventory a name that ends in .yml."
            self._report(place, f"`{printable(tokens[0])}` is no host name; is this file YAML?", hint)
            return
        names = self._inventory.expand(tokens[0], place)
        group = self._inventory.groups.get(self._group) or self._inventory.add_group(self._group, place)
        self._inventory.add_hosts(names, group, place)
        self._read_inline(tokens, line, place, Scope("host", tuple(names)))

    def _read_inline(self, tokens: list[str], line: str, place: Place, scope: Scope) -> None:
        """Read `key=value` after a host. The places are found again, because splitting loses them."""
        offset = len(tokens[0])
        for token in tokens[1:]:
            key, equals, written = token.partition("=")
            found = line.find(key, offset)
            offset = found if found >= 0 else offset
            here = Place(place.path, place.line, place.column + offset)
            if equals:
                value_place = Place(here.path, here.line, here.column + len(key) + 1)
                self._inventory.define(key, literal(written, value_place), here, scope)
            else:
                self._report(here, f"`{printable(token[:60])}` after a host must be variable=value")
            offset += len(key)

    def _read_variable(self, line: str, place: Place) -> None:
        key, equals, written = line.partition("=")
        if not equals:
            self._report(place, f"`{printable(line[:60])}` in a :vars section must be variable = value")
            return
        column = place.column + len(key) + 1 + len(written) - len(written.lstrip())
        value = literal(written.strip(), Place(place.path, place.line, column))
        self._inventory.define(key.strip(), value, place, Scope("group", (self._group,)))

    def _read_child(self, line: str, place: Place) -> None:
        match = _GROUP_NAME.fullmatch(line)
        if match is None:
            self._report(place, f"`{printable(line[:60])}` in a :children section must be a group's name")
            return
        name = match.group(1)
        self._inventory.groups[self._group].children[name] = None
        message = f"child group `{printable(name)}` of `{printable(self._group)}` is nowhere declared"
        self._promised.append((name, place, message))


def literal(text: str, place: Place) -> Value:
    """Return the value of an INI variable: a Python literal where it is one, else the text itself."""
    if len(text) > _LITERAL_LIMIT:
        return ScalarValue(place, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _value_of(ast.literal_eval(text), place)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ScalarValue(place, text)


def _value_of(data: object, place: Place) -> Value:
    if isinstance(data, list | tuple | set):
        return ListValue(place, [_value_of(item, place) for item in data])
    if isinstance(data, dict):
        return DictValue(
            place, {str(key): Entry(place, _value_of(item, place)) for key, item in data.items()}
        )
    if isinstance(data, bytes):
        data = data.decode("utf-8", "replace")
    elif data is ... or isinstance(data, complex):
        data = str(data)
    return ScalarValue(place, data)
