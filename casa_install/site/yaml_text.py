"""YAML with positions, read the way Ansible reads it, and safe against any bytes.

The tree is built from the parser's events, without recursion: the C composer of PyYAML recurses
without a limit and takes the whole process down on a deeply nested file. Aliases share one value,
so a file cannot grow in memory either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

from casa_install.site.findings import Finding, Place, printable
from casa_install.site.values import DictValue, Entry, ListValue, ScalarValue, Value, VaultedValue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 50
_MAX_MERGED = 100_000
_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"
_SCALARS = {
    _STANDARD + name for name in ("null", "bool", "int", "float", "timestamp", "str", "value", "merge")
}
_VAULT_TAGS = {"!vault", "!vault-encrypted"}
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(Exception):
    """The file cannot be understood; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(slots=True)
class Document:
    """A YAML file: its value, or none if it is empty or broken, and what is wrong in it."""

    value: Value | None = None
    findings: list[Finding] = field(default_factory=list)


def read_yaml(content: bytes, path: Path, *, secret: bool = False) -> Document:
    """Read a YAML or JSON file that holds one document. Never raises for any content.

    Args:
        content: The file's bytes, already decrypted.
        path: Its name, for the places.
        secret: Its values must not appear in messages.
    """
    document = Document()
    try:
        document.value = _Composer(path, secret, document.findings).compose(decode(content, path))
    except DocumentError as fault:
        document.findings.append(fault.finding)
    return document


def decode(content: bytes, path: Path) -> str:
    """Return the text of a file.

    Raises:
        DocumentError: It is too large, is not UTF-8, or has control characters.
    """
    if len(content) > MAX_BYTES:
        raise DocumentError(Finding(path, 1, 1, f"the file is larger than {MAX_BYTES // 2**20} MiB"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(content[: error.start].decode("utf-8", "replace"))
        byte = content[error.start]
        raise DocumentError(
            Finding(path, line, column, f"byte 0x{byte:02x} is not UTF-8", f"Convert it: `file {path.name}`.")
        ) from error
    if bad := _NOT_PRINTABLE.search(text):
        line, column = _line_and_column(text[: bad.start()])
        raise DocumentError(Finding(path, line, column, f"control character {bad.group()!a} is not allowed"))
    return text


def _line_and_column(before: str) -> tuple[int, int]:
    """Return where a position is, from 1, given the text before it."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@dataclass(slots=True)
class _Open:
    """A collection that is being read, and the key that waits for its value."""

    value: ListValue | DictValue
    key: tuple[str, Place] | None = None
    merges: list[tuple[Place, Value]] = field(default_factory=list)


class _Composer:
    def __init__(self, path: Path, secret: bool, findings: list[Finding]) -> None:
        self._path = path
        self._secret = secret
        self._findings = findings
        self._anchors: dict[str, Value] = {}
        self._open: list[_Open] = []
        self._root: Value | None = None
        self._merged = 0
        self._resolve: Callable[..., str] = Resolver().resolve
        self._constructor = SafeConstructor()

    def compose(self, text: str) -> Value | None:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise DocumentError(self._syntax_finding(error, text)) from error
        except yaml.YAMLError as error:
            raise DocumentError(Finding(self._path, 1, 1, f"not YAML: {_one_line(str(error))}")) from error
        return self._root

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event), event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
            self._fail(
                self._place(event), "a second document starts here; Ansible reads files of one document"
            )

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._path, mark.line + 1, mark.column + 1) if mark else Place(self._path)

    def _fail(self, place: Place, message: str, hint: str = "") -> None:
        raise DocumentError(Finding.at(place, message, hint))

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        place = self._place(event)
        if len(self._open) >= _MAX_DEPTH:
            self._fail(place, f"nested more than {_MAX_DEPTH} levels deep")
        if event.tag and not event.tag.startswith(_STANDARD) and event.tag != "!unsafe":
            self._findings.append(self._unknown_tag(place, event.tag))
        value: ListValue | DictValue
        value = DictValue(place) if isinstance(event, yaml.MappingStartEvent) else ListValue(place)
        self._add(value, event)
        self._open.append(_Open(value))

    def _end(self) -> None:
        closed = self._open.pop()
        for place, source in closed.merges:
            self._merge(closed.value, place, source)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        anchor = event.anchor or ""
        value = self._anchors.get(anchor)
        if value is None:
            self._fail(place, f"alias `*{printable(anchor)}` has no anchor `&{printable(anchor)}`")
        elif any(value is collection.value for collection in self._open):
            self._fail(place, f"alias `*{printable(anchor)}` contains itself")
        else:
            self._add(value, event)

    def _add(self, value: Value, event: yaml.NodeEvent) -> None:
        """Put a value where it belongs: the root, the next item, the next key or that key's value."""
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            self._anchors[event.anchor] = value
        if not self._open:
            self._root = value
            return
        top = self._open[-1]
        if isinstance(top.value, ListValue):
            top.value.items.append(value)
        elif top.key is None:
            top.key = self._key(value, event)
        else:
            self._set(top, *top.key, value)
            top.key = None

    def _key(self, value: Value, event: yaml.NodeEvent) -> tuple[str, Place]:
        place = self._place(event)
        if not isinstance(value, ScalarValue):
            hint = "A value that begins with `{{` must stand in quotes."
            self._findings.append(Finding.at(place, "a list or mapping cannot be a key", hint))
            mapping = self._open[-1].value
            if isinstance(mapping, DictValue):
                mapping.is_template = True
            return "", place
        if isinstance(event, yaml.ScalarEvent):
            return event.value, place
        return str(getattr(value, "data", "")), place

    def _set(self, top: _Open, key: str, place: Place, value: Value) -> None:
        assert isinstance(top.value, DictValue)  # noqa: S101 - for the type checker; keys are read in mappings only
        if key == "<<":
            top.merges.append((place, value))
            return
        if (earlier := top.value.entries.get(key)) is not None:
            message = (
                f"`{printable(key)}` stands here a second time; the first is in line {earlier.place.line}"
            )
            self._findings.append(Finding.at(place, message, "Keep one: Ansible uses only the last."))
        top.value.entries[key] = Entry(place, value)

    def _merge(self, target: ListValue | DictValue, place: Place, source: Value) -> None:
        """Apply `<<`: keys of the mapping itself win, then those of the earliest source."""
        sources = source.items if isinstance(source, ListValue) else [source]
        for mapping in sources:
            if not isinstance(mapping, DictValue) or not isinstance(target, DictValue):
                self._fail(place, "`<<` needs a mapping or a list of mappings")
                return
            self._merged += len(mapping.entries)
            if self._merged > _MAX_MERGED:
                self._fail(place, "`<<` merges too many keys")
            for key, entry in mapping.entries.items():
                target.entries.setdefault(key, entry)

    def _scalar(self, event: yaml.ScalarEvent) -> Value:
        place = self._place(event)
        tag = event.tag
        if tag in _VAULT_TAGS:
            return VaultedValue(place)
        if tag is None or tag == "!":
            tag = self._resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag == "!unsafe":
            return ScalarValue(place, event.value, self._secret)
        if tag not in _SCALARS:
            self._findings.append(self._unknown_tag(place, tag))
            return VaultedValue(place)
        return ScalarValue(place, self._construct(tag, event, place), self._secret)

    def _construct(self, tag: str, event: yaml.ScalarEvent, place: Place) -> object:
        if tag in (_STANDARD + "str", _MERGE, _STANDARD + "value"):
            return event.value
        node = yaml.ScalarNode(tag, event.value)
        try:
            return SafeConstructor.yaml_constructors[tag](self._constructor, node)
        except (ValueError, ArithmeticError, LookupError, AttributeError, ConstructorError):
            kind = tag.removeprefix(_STANDARD)
            shown = "" if self._secret else f" `{printable(event.value[:40])}`"
            message = f"{shown.strip() or 'the value'} looks like a YAML {kind} and is none"
            self._findings.append(Finding.at(place, message, "Put it in quotes if it is text."))
            return event.value

    def _unknown_tag(self, place: Place, tag: str) -> Finding:
        return Finding.at(place, f"Ansible does not know the YAML tag `{printable(tag)}`")

    def _syntax_finding(self, error: yaml.MarkedYAMLError, text: str) -> Finding:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        column = mark.column + 1 if mark else 1
        # libyaml 0.2.6 and newer give up at 1000 levels, and read that far ahead of what they tell.
        if error.problem and "maximum nesting depth" in error.problem:
            return Finding(self._path, line, column, f"nested more than {_MAX_DEPTH} levels deep")
        lines = text.split("\n")
        written = lines[line - 1] if line <= len(lines) else ""
        if "\t" in written[: len(written) - len(written.lstrip())]:
            column = written.index("\t") + 1
            message, hint = "a tab indents this line; YAML allows only spaces there", "Replace it by spaces."
            return Finding(self._path, line, column, message, hint)
        hint = ""
        if re.search(r":\s+\{[{%]", written):
            hint = "A value that begins with `{{` must stand in quotes."
        message = ", ".join(part for part in (error.problem, error.context) if part)
        return Finding(self._path, line, column, f"not YAML: {_one_line(message)}", hint)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
