"""Arguments of Kubernetes' own programs as k3s passes them on: lists of `name=value`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the programs take as one list: a later one adds to an earlier one.
_LISTS = {"enable-admission-plugins", "disable-admission-plugins", "feature-gates"}


def argument_name(argument: str) -> str:
    """Return an argument's name: without dashes before it, and without k3s' sign for adding after it."""
    return argument.strip().lstrip("-").split("=", 1)[0].rstrip("+-")


def merged(*parts: Iterable[str]) -> list[str]:
    """Merge lists of arguments; a later part wins over an earlier one.

    k3s gives an argument that is there twice to the program twice, and most programs take the last. What is a
    list by itself, such as `feature-gates`, is joined instead. The order is that of the first mention.
    """
    values: dict[str, list[str]] = {}
    for part in parts:
        given: dict[str, list[str]] = {}
        for argument in part:
            given.setdefault(argument_name(argument), []).append(argument.strip().lstrip("-"))
        for name, arguments in given.items():
            if name in _LISTS and name in values:
                values[name] = [_joined([*values[name], *arguments])]
            else:
                values[name] = arguments
    return [argument for arguments in values.values() for argument in arguments]


def _joined(arguments: Iterable[str]) -> str:
    pairs = [argument.split("=", 1) for argument in arguments]
    items = [item for pair in pairs if len(pair) > 1 for item in pair[1].split(",") if item]
    return f"{pairs[0][0]}={','.join(dict.fromkeys(items))}"
