"""Checks a value against a variable's declared type, with the place of what is wrong.

As lenient as Ansible's own validator, which converts before it compares: "yes" is a boolean, "5" a number,
"a,b" a list. Source: `ansible.module_utils.common.validation` (`check_type_*`) of ansible-core 2.19; a test
compares both.
"""

from __future__ import annotations

import ast
import decimal
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from casa_install.site.findings import Finding, printable
from casa_install.site.spelling import closest, did_you_mean
from casa_install.site.values import DictValue, ListValue, ScalarValue, Value, VaultedValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.site.specs import Option

_TRUE = {"y", "yes", "on", "1", "true", "t"}
_FALSE = {"n", "no", "off", "0", "false", "f"}
_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list",
    "dict": "a mapping",
    "str": "text",
    "path": "a path",
}


def check_value(name: str, value: Value, option: Option) -> Iterator[Finding]:
    """Yield what is wrong with a value.

    Args:
        name: What to call it in a message, such as `site_users[2].name`.
        value: The value as written.
        option: What it must be.
    """
    if isinstance(value, VaultedValue) or (isinstance(value, ScalarValue | DictValue) and value.is_template):
        return
    if isinstance(value, ScalarValue) and value.data is None:
        if option.required:
            yield Finding.at(value.place, f"`{name}` is required and empty", option.description)
        elif option.has_default and option.type not in ("str", "path", "raw"):
            message = f"`{name}` is empty and must be {_wanted(option)}"
            yield Finding.at(value.place, message, "Remove the line to have the default.")
        return
    if not fits(value, option.type):
        yield Finding.at(value.place, _mismatch(name, value, option), "")
        return
    yield from _check_choice(name, value, option)
    if option.type == "list":
        yield from _check_items(name, value, option)
    elif option.type == "dict" and option.options and isinstance(value, DictValue):
        yield from _check_keys(name, value, option)


def fits(value: Value, wanted: str) -> bool:
    """Tell whether Ansible would convert a value to a type; an unknown type takes everything."""
    if isinstance(value, ListValue):
        return wanted not in ("dict", "bool", "int", "float")
    if isinstance(value, DictValue):
        return wanted not in ("list", "bool", "int", "float")
    data = value.data if isinstance(value, ScalarValue) else None
    if wanted == "bool":
        return as_bool(data) is not None
    if wanted == "int":
        return _is_int(data)
    if wanted == "float":
        return _is_float(data)
    if wanted == "list":
        return isinstance(data, str | int | float)
    if wanted == "dict":
        return isinstance(data, str) and _is_mapping_text(data)
    return True


def as_bool(data: object) -> bool | None:
    """Return a scalar as Ansible's boolean, or none if it is no boolean."""
    if isinstance(data, str):
        word = data.lower().strip()
        return True if word in _TRUE else False if word in _FALSE else None
    return bool(data) if isinstance(data, int | float) and data in (0, 1) else None


def _is_int(data: object) -> bool:
    if isinstance(data, int):
        return True
    if not isinstance(data, str | float):
        return False
    try:
        number = decimal.Decimal(data)
        return number.is_finite() and abs(number.adjusted()) < 1000 and number == int(number)
    except (decimal.DecimalException, ValueError):
        return False


def _is_float(data: object) -> bool:
    try:
        float(data)  # type: ignore[arg-type]  # what it cannot take is caught below
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _is_mapping_text(text: str) -> bool:
    if not text.startswith("{"):
        return "=" in text and all("=" in field for field in _fields(text.strip()) if field)
    for read in (json.loads, ast.literal_eval):
        try:
            return isinstance(read(text), dict)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return False


def _fields(text: str) -> list[str]:
    """Split at commas and blanks outside quotes; a quote that is never closed runs to the end."""
    fields, quote = [""], ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            fields[-1] += next(characters, "")
        elif character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif character in ", " and not quote:
            fields.append("")
        else:
            fields[-1] += character
    return fields


def _mismatch(name: str, value: Value, option: Option) -> str:
    found = {ListValue: "a list", DictValue: "a mapping"}.get(type(value), "")
    if isinstance(value, ScalarValue):
        found = "a secret value of another type" if option.secret else printable(value.shown())
    return f"`{name}` must be {_wanted(option)}, found {found}"


def _wanted(option: Option) -> str:
    return _WANTED.get(option.type, option.type)


def _check_choice(name: str, value: Value, option: Option) -> Iterator[Finding]:
    """Compare with `choices`, item by item if the value is a list, as Ansible does."""
    if not option.choices:
        return
    for item in _items(value) if option.type == "list" else [value]:
        if not isinstance(item, ScalarValue) or item.is_template or _is_choice(item.data, option):
            continue
        if option.type == "list" and not fits(item, option.elements):
            continue  # reported as an item of the wrong type
        allowed = ", ".join(f"`{_as_written(choice)}`" for choice in option.choices)
        close = (
            closest(str(item.data), [str(c) for c in option.choices]) if isinstance(item.data, str) else ""
        )
        found = "the encrypted value" if option.secret else printable(item.shown())
        yield Finding.at(item.place, f"`{name}` must be one of {allowed}, found {found}{did_you_mean(close)}")


def _is_choice(data: object, option: Option) -> bool:
    if data in option.choices:
        return True
    if option.type == "bool":
        return as_bool(data) in option.choices
    texts = {str(choice) for choice in option.choices}
    # YAML reads a bare yes, no, on and off as booleans; Ansible turns them back where a choice is meant.
    if isinstance(data, bool):
        words = _TRUE if data else _FALSE
        return any(text.lower() in words for text in texts)
    return str(data) in texts


def _as_written(choice: object) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _check_items(name: str, value: Value, option: Option) -> Iterator[Finding]:
    if not option.elements:
        return
    of_item = replace(option, type=option.elements, elements="", choices=(), required=True)
    for number, item in enumerate(_items(value)):
        yield from check_value(f"{name}[{number}]", item, of_item)


def _items(value: Value) -> list[Value]:
    """Return the items of a list, which may be written as text with commas, or as one number."""
    if isinstance(value, ListValue):
        return value.items
    if isinstance(value, ScalarValue):
        return [ScalarValue(value.place, part, value.secret) for part in str(value.data).split(",")]
    return []


def _check_keys(name: str, value: DictValue, option: Option) -> Iterator[Finding]:
    known = {**option.options, **{alias: o for o in option.options.values() for alias in o.aliases}}
    for key, entry in value.entries.items():
        if key in known:
            yield from check_value(f"{name}.{key}", entry.value, known[key])
        else:
            close = closest(key, known)
            message = f"`{name}` has no key `{printable(key)}`{did_you_mean(close)}"
            hint = "" if close else f"Its keys are {', '.join(sorted(option.options))}."
            yield Finding.at(entry.place, message, hint)
    for key, sub in option.options.items():
        if sub.required and not sub.has_default and not {key, *sub.aliases} & value.entries.keys():
            yield Finding.at(value.place, f"`{name}` lacks its key `{key}`", sub.description)
