"""Dataclasses from JSON, each field's type checked."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class WrongTypeError(Exception):
    """Something is not what a field holds; says which and what it is."""


def typed(kind: type[T], said: Any, where: str) -> T:
    """Make a dataclass of JSON's object.

    Args:
        kind: With fields of str, int, float, bool, Path, tuples and dicts of these, and other dataclasses.
        said: What JSON had.
        where: What to call it in a message.

    Raises:
        WrongTypeError: A field is missing, unknown or of another type.
    """
    if not isinstance(said, dict):
        raise WrongTypeError(f"{where} is not an object")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(said) - set(hints))
    if unknown:
        raise WrongTypeError(f"{where} has no key {', '.join(unknown)}")
    fields: dict[str, Any] = {}
    for each in dataclasses.fields(kind):  # type: ignore[arg-type]
        if each.name in said:
            fields[each.name] = _value(hints[each.name], said[each.name], f"{where}.{each.name}")
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise WrongTypeError(f"{where}.{each.name} is missing")
    return kind(**fields)


def _value(hint: Any, said: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return typed(hint, said, where)
    if isinstance(hint, types.GenericAlias):
        (item, *_), many = typing.get_args(hint), typing.get_origin(hint)
        if many is tuple and isinstance(said, list):
            return tuple(_value(item, each, f"{where}[{number}]") for number, each in enumerate(said))
        if many is dict and isinstance(said, dict) and all(isinstance(each, str) for each in said.values()):
            return dict(said)
    elif hint is Path and isinstance(said, str):
        return Path(said)
    elif hint is float and isinstance(said, int | float) and not isinstance(said, bool):
        return float(said)
    elif hint in (str, int, bool) and type(said) is hint:
        return said
    raise WrongTypeError(f"{where} is {said!r}, which is the wrong type")
