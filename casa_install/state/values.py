"""Checks of single values: each accepts what a key of a state file may hold, and returns it typed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class UnusableValueError(Exception):
    """A value of the wrong type; the message completes "<key> ..."."""


def text(value: object) -> str:
    """Accept a string; a number is accepted too, as a template may yield one."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise UnusableValueError(f"must be text, not {_type_name(value)}")


def word(value: object) -> str:
    """Accept a non-empty string without white space or control characters."""
    found = text(value)
    if not re.fullmatch(r"[^\s\x00-\x1f\x7f]+", found):
        raise UnusableValueError("must be one word")
    return found


def name(value: object) -> str:
    """Accept the name of a user or group as useradd(8) does."""
    found = text(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*\$?", found):
        raise UnusableValueError(f"must be the name of a user or group, not {found!r}")
    return found


def owner(value: object) -> str:
    """Accept a user's or group's name or number."""
    found = text(value)
    return found if found.isdigit() else name(found)


def package(value: object) -> str:
    """Accept a package's name as dpkg and rpm do."""
    found = text(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]*", found):
        raise UnusableValueError(f"must be the name of a package, not {found!r}")
    return found


def version(value: object) -> str:
    """Accept a version, possibly with `*`."""
    found = text(value)
    if not re.fullmatch(r"[A-Za-z0-9.+~:*^_-]*", found):
        raise UnusableValueError(f"must be a version, not {found!r}")
    return found


def unit(value: object) -> str:
    """Accept the full name of a systemd unit, suffix included."""
    found = text(value)
    suffixes = "service|socket|timer|target|path|mount|slice|swap|automount"
    if not re.fullmatch(rf"[A-Za-z0-9:_.\\@-]+\.({suffixes})", found):
        raise UnusableValueError(f"must be the full name of a unit, like condor.service, not {found!r}")
    return found


def sysctl_key(value: object) -> str:
    """Accept the name of a kernel setting."""
    found = text(value)
    if not re.fullmatch(r"[a-z0-9_-]+([./][A-Za-z0-9_.-]+)+", found) or ".." in found:
        raise UnusableValueError(f"must name a kernel setting, like net.ipv4.ip_forward, not {found!r}")
    return found


def path(value: object) -> str:
    """Accept an absolute path in its shortest form."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise UnusableValueError("must be an absolute path")
    if value == "/" or value.endswith("/") or any(part in ("", ".", "..") for part in value.split("/")[1:]):
        raise UnusableValueError(f"must be a path in its shortest form, not {value!r}")
    return value


def one_line(value: object) -> str:
    """Accept text without a line break."""
    found = text(value)
    if "\n" in found or "\r" in found or "\0" in found or not found:
        raise UnusableValueError("must be one line of text")
    return found


def mode(value: object) -> int:
    """Accept permission bits as a quoted octal number."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-7]{3,4}", value):
        raise UnusableValueError(f'must be a quoted octal number, like "0644", not {value!r}')
    return int(value, 8)


def number(value: object) -> int:
    """Accept a non-negative integer."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnusableValueError(f"must be a number, not {value!r}")
    return value


def truth(value: object) -> bool:
    """Accept a boolean, also as the words that Ansible takes for one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "yes", "on", "false", "no", "off"):
        return value.lower() in ("true", "yes", "on")
    raise UnusableValueError(f"must be true or false, not {value!r}")


def command(value: object) -> tuple[str, ...]:
    """Accept a command as a list of words, or as one text that is split as a shell would."""
    words: list[str]
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as fault:
            raise UnusableValueError(f"cannot be split into words: {fault}") from fault
    elif isinstance(value, list):
        words = [text(item) for item in value]
    else:
        raise UnusableValueError(f"must be a command, not {_type_name(value)}")
    if not words or any("\0" in item for item in words):
        raise UnusableValueError("must be a command, it is empty")
    return tuple(words)


def names(value: object) -> tuple[str, ...]:
    """Accept one name or a list of names."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise UnusableValueError(f"must be a name or a list of names, not {_type_name(value)}")
    return tuple(one_line(item) for item in value)


def texts_by_name(value: object) -> dict[str, str]:
    """Accept a mapping of plain names to texts."""
    if not isinstance(value, dict):
        raise UnusableValueError(f"must be a mapping, not {_type_name(value)}")
    for key in value:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(key)):
            raise UnusableValueError(f"has a key {key!r}, which is no plain name")
    return {str(key): text(item) for key, item in value.items()}


def options(value: object) -> dict[str, str]:
    """Accept the options of a package repository: texts, or lists of words that become one line."""
    if not isinstance(value, dict):
        raise UnusableValueError(f"must be a mapping, not {_type_name(value)}")
    joined = {}
    for key, item in value.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", str(key)):
            raise UnusableValueError(f"has a key {key!r}, which is no option")
        if isinstance(item, bool):
            joined[str(key)] = "yes" if item else "no"
        else:
            joined[str(key)] = one_line(" ".join(map(text, item)) if isinstance(item, list) else text(item))
    return joined


def choice(*allowed: str) -> Callable[[object], str]:
    """Accept one of some words."""

    def convert(value: object) -> str:
        if value not in allowed:
            raise UnusableValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    return convert


def _type_name(value: object) -> str:
    names_of = {dict: "a mapping", list: "a list", bool: "true/false", type(None): "empty"}
    return names_of.get(type(value), type(value).__name__)
