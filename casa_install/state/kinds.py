"""The registry of kinds: which keys each takes, and of which type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.state.values import (
    choice,
    command,
    mode,
    name,
    names,
    number,
    one_line,
    options,
    owner,
    package,
    path,
    sysctl_key,
    text,
    texts_by_name,
    truth,
    unit,
    version,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Key:
    """One key of a kind.

    Attributes:
        convert: Checks the rendered value and returns it typed.
        required: It must be there.
        secret: Its text may be a secret, so a message never shows it.
    """

    convert: Callable[[object], Any]
    required: bool = False
    secret: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    Attributes:
        name: The key that selects the kind; its value names the thing.
        main: How the value of that key is checked.
        keys: The other keys.
        one_of: Of these keys exactly one must be there.
        in_roots: The value of the main key is a path that must be below the role's roots.
    """

    name: str
    main: Callable[[object], Any]
    keys: Mapping[str, Key] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    in_roots: bool = False


_ATTRIBUTES = {"owner": Key(owner), "group": Key(owner), "mode": Key(mode)}
_PRESENCE = {"state": Key(choice("present", "absent"))}
_FOREIGN = {**_PRESENCE, "create": Key(truth), "validate": Key(command)}

COMMON: Mapping[str, Key] = {
    "when": Key(lambda value: value),
    "each": Key(lambda value: value),
    "notify": Key(names),
    "phase": Key(choice("before")),
    "sensitive": Key(truth),
}
"""Keys that every kind takes."""

_ALL = (
    Kind("package", package, {"version": Key(version), "held": Key(truth), **_PRESENCE}),
    Kind(
        "repository",
        word,
        {
            "format": Key(choice("deb", "rpm"), required=True),
            "options": Key(options, required=True),
            "key": Key(text),
        },
    ),
    Kind("group", name, {"gid": Key(number), "system": Key(truth)}),
    Kind(
        "user",
        name,
        {
            "uid": Key(number),
            "group": Key(name),
            "groups": Key(names),
            "home": Key(path),
            "shell": Key(path),
            "comment": Key(one_line),
            "system": Key(truth),
            "create_home": Key(truth),
        },
    ),
    Kind("directory", path, {**_ATTRIBUTES, "exclusive": Key(truth), "shared": Key(truth)}, in_roots=True),
    Kind(
        "file",
        path,
        {
            **_ATTRIBUTES,
            "content": Key(text, secret=True),
            "template": Key(text),
            "source": Key(text),
            "validate": Key(command),
        },
        one_of=("content", "template", "source"),
        in_roots=True,
    ),
    Kind("link", path, {"target": Key(one_line, required=True)}, in_roots=True),
    Kind("absent", path, in_roots=True),
    Kind(
        "line",
        path,
        {"text": Key(one_line, required=True, secret=True), "prefix": Key(one_line), **_FOREIGN},
        in_roots=True,
    ),
    Kind(
        "block",
        path,
        {
            "marker": Key(one_line, required=True),
            "content": Key(text, required=True, secret=True),
            "comment": Key(one_line),
            **_FOREIGN,
        },
        in_roots=True,
    ),
    Kind(
        "unit",
        unit,
        {
            "enabled": Key(truth),
            "state": Key(choice("started", "stopped")),
            "masked": Key(truth),
            "drop_ins": Key(texts_by_name),
        },
    ),
    Kind("sysctl", sysctl_key, {"value": Key(one_line, required=True)}),
    Kind("check", word, {"command": Key(command, required=True)}),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind by name."""
