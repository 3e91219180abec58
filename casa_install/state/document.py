"""Reading `roles/<role>/state.yml` with the place of everything in it, before any templating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from casa_install.state.findings import Finding, Place, StateFileError, did_you_mean
from casa_install.state.kinds import COMMON, KINDS, Key, Kind
from casa_install.state.resources import Handler
from casa_install.state.values import UnusableValueError, command, truth, unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEADER = ("vars_files", "roots", "handlers", "resources")


@dataclass(frozen=True)
class RawEntry:
    """One resource as written: templates not yet rendered."""

    kind: Kind
    main: Any
    options: Mapping[str, Any]
    place: Place
    key_places: Mapping[str, Place]


@dataclass(frozen=True)
class StateFile:
    """A role's list as written.

    Attributes:
        path: The file.
        role: The role's name, from the directory.
        vars_files: Each is a path, or a list of paths of which the first that exists is loaded.
        roots: Paths that the role may write below.
        handlers: The role's handlers by name, and how each is proved live.
        entries: The resources, in order.
    """

    path: Path
    role: str
    vars_files: tuple[Any, ...]
    roots: tuple[str, ...]
    handlers: Mapping[str, Handler]
    entries: tuple[RawEntry, ...]

    @property
    def directory(self) -> Path:
        """The role's own directory."""
        return self.path.parent


def load_state_file(path: Path) -> StateFile:
    """Read a state file and check all that can be checked without a host.

    Args:
        path: `roles/<role>/state.yml`.

    Raises:
        StateFileError: With every fault found, each `file:line: message`.
    """
    return _Reader(path).read()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: list[Finding] = []

    def read(self) -> StateFile:
        root = self._compose()
        header = self._mapping(root, "the file") if root is not None else {}
        for key, (place, _) in header.items():
            if key not in _HEADER:
                self._find(place, f"unknown key {key!r}{did_you_mean(key, _HEADER)}")
        handlers = self._handlers(header)
        entries = self._entries(header, handlers)
        vars_files = self._list(header, "vars_files")
        roots = self._roots(header)
        if self.findings:
            raise StateFileError(self.findings)
        directory = self.path.absolute().parent
        return StateFile(
            self.path.absolute(), directory.name, tuple(vars_files), roots, handlers, tuple(entries)
        )

    def _find(self, place: Place, message: str) -> None:
        self.findings.append(Finding(place, message))

    def _place(self, node: yaml.Node) -> Place:
        return Place(str(self.path), node.start_mark.line + 1)

    def _compose(self) -> yaml.Node | None:
        start = Place(str(self.path), 1)
        try:
            node = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as fault:
            reason = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
            raise StateFileError([Finding(start, f"cannot be read: {reason}")]) from fault
        except yaml.YAMLError as fault:
            mark = getattr(fault, "problem_mark", None)
            place = Place(str(self.path), mark.line + 1) if mark else start
            raise StateFileError([Finding(place, f"not YAML: {getattr(fault, 'problem', fault)}")]) from fault
        except RecursionError as fault:
            raise StateFileError([Finding(start, "not a state file: nested too deeply")]) from fault
        if node is None:
            self._find(start, "the file is empty; it needs `roots` and `resources`")
        return node

    def _mapping(self, node: yaml.Node, what: str) -> dict[str, tuple[Place, yaml.Node]]:
        """Return keys with their places; a key that stands there twice is a finding."""
        found: dict[str, tuple[Place, yaml.Node]] = {}
        if not isinstance(node, yaml.MappingNode):
            self._find(self._place(node), f"{what} must be a mapping")
            return found
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in found:
                self._find(self._place(key_node), f"{key!r} is there twice; the first is at {found[key][0]}")
            found[key] = (self._place(key_node), value_node)
        return found

    def _value(self, node: yaml.Node) -> Any:
        """Construct plain data; YAML tags such as !vault have no place in a state file."""
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as fault:
            self._find(self._place(node), f"cannot be used here: {getattr(fault, 'problem', fault)}")
            return None

    def _list(self, header: Mapping[str, tuple[Place, yaml.Node]], key: str) -> list[Any]:
        if key not in header:
            return []
        place, node = header[key]
        value = self._value(node)
        if not isinstance(value, list):
            self._find(place, f"{key} must be a list")
            return []
        return value

    def _roots(self, header: Mapping[str, tuple[Place, yaml.Node]]) -> tuple[str, ...]:
        roots = self._list(header, "roots")
        for root in roots:
            if not isinstance(root, str):
                self._find(header["roots"][0], f"roots: {root!r} is not a path")
        return tuple(root for root in roots if isinstance(root, str))

    def _handlers(self, header: Mapping[str, tuple[Place, yaml.Node]]) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {}
        if "handlers" not in header:
            return handlers
        for name, (place, node) in self._mapping(header["handlers"][1], "handlers").items():
            keys = self._mapping(node, f"handler {name!r}")
            handler = self._handler(name, place, {key: self._value(item[1]) for key, item in keys.items()})
            if handler is not None:
                handlers[name] = handler
        return handlers

    def _handler(self, name: str, place: Place, keys: Mapping[str, Any]) -> Handler | None:
        allowed = ("restart", "stamp", "record", "drain")
        problems = [f"unknown key {key!r}{did_you_mean(key, allowed)}" for key in keys if key not in allowed]
        proofs = [key for key in ("restart", "stamp", "record") if key in keys]
        if len(proofs) != 1:
            problems.append("needs exactly one of restart, stamp, record: how it is proved live")
        handler = None
        try:
            drain = truth(keys.get("drain", False))
            if "restart" in keys:
                handler = Handler(name, "restart", unit=unit(keys["restart"]), drain=drain)
            elif "stamp" in keys:
                handler = Handler(name, "stamp", stamp=command(keys["stamp"]), drain=drain)
            else:
                handler = Handler(name, drain=drain)
        except UnusableValueError as fault:
            problems.append(str(fault))
        for problem in problems:
            self._find(place, f"handler {name!r}: {problem}")
        return None if problems else handler

    def _entries(
        self, header: Mapping[str, tuple[Place, yaml.Node]], handlers: Mapping[str, Handler]
    ) -> list[RawEntry]:
        if "resources" not in header:
            return []
        place, node = header["resources"]
        if not isinstance(node, yaml.SequenceNode):
            self._find(place, "resources must be a list")
            return []
        read = (self._entry(item, handlers) for item in node.value)
        return [entry for entry in read if entry is not None]

    def _entry(self, node: yaml.Node, handlers: Mapping[str, Handler]) -> RawEntry | None:
        keys = self._mapping(node, "a resource")
        place = self._place(node)
        first = next(iter(keys), "")
        if first not in KINDS:
            if keys:
                close = did_you_mean(first, KINDS)
                self._find(
                    place,
                    f"the first key of a resource names its kind, and {first!r} is none{close} "
                    f"Kinds: {', '.join(KINDS)}.",
                )
            return None
        kind = KINDS[first]
        known = {**COMMON, **kind.keys}
        for key, (key_place, value_node) in keys.items():
            if key == kind.name:
                continue
            if key not in known:
                close = did_you_mean(key, known)
                self._find(key_place, f"{kind.name}: unknown key {key!r}{close}")
            else:
                self._check_static(kind, key, known[key], key_place, value_node, handlers)
        self._check_required(kind, keys, place)
        main_place, main_node = keys[kind.name]
        self._check_static(kind, kind.name, Key(kind.main), main_place, main_node, handlers)
        options = {key: self._value(item[1]) for key, item in keys.items() if key != kind.name}
        return RawEntry(
            kind, self._value(main_node), options, place, {key: item[0] for key, item in keys.items()}
        )

    def _check_required(self, kind: Kind, keys: Mapping[str, Any], place: Place) -> None:
        for key, spec in kind.keys.items():
            if spec.required and key not in keys:
                self._find(place, f"{kind.name}: {key} is missing")
        given = [key for key in kind.one_of if key in keys]
        if kind.one_of and len(given) != 1:
            what = "none is there" if not given else f"there are {', '.join(given)}"
            self._find(place, f"{kind.name}: needs exactly one of {', '.join(kind.one_of)}; {what}")
        if "sensitive" in keys and kind.name == "line" and "prefix" not in keys:
            self._find(place, "line: a sensitive line needs a prefix, which names it without the secret")

    def _check_static(
        self, kind: Kind, key: str, spec: Key, place: Place, node: yaml.Node, handlers: Mapping[str, Handler]
    ) -> None:
        """Check a value that holds no template; the others are checked once they are rendered."""
        value = self._value(node)
        if has_template(value) or value is None:
            return
        try:
            converted = spec.convert(value)
        except UnusableValueError as fault:
            message = "is not usable" if spec.secret else str(fault)
            self._find(place, f"{kind.name}: {key} {message}")
            return
        if key == "notify":
            for name in converted:
                if name not in handlers:
                    self._find(
                        place, f"{kind.name}: {name!r} is not under `handlers`{did_you_mean(name, handlers)}"
                    )


def has_template(value: object) -> bool:
    """Tell whether a value holds a Jinja expression, statement or comment anywhere."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, dict):
        return any(has_template(key) or has_template(item) for key, item in value.items())
    if isinstance(value, list):
        return any(has_template(item) for item in value)
    return False
