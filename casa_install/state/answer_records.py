"""The records of a host's answer: one line each, a letter and its fields, see `probe.sh`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casa_install.state.answer_fields import from_hex, plain_hex, whole_number
from casa_install.state.observed import BlockStatus, CommandResult, Observed, PackageStatus, Status
from casa_install.state.probe import MAX_ENTRIES, UNIT_PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from casa_install.state.observed import PathType
    from casa_install.state.probe import Question

_TYPES: dict[int, PathType] = {0o100000: "file", 0o040000: "directory", 0o120000: "link"}


class Records:
    """The records of an answer as they come; none may come twice or be one that was not asked for."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.observed = Observed(key=question.key)
        self.seen: set[tuple[str, int]] = set()
        self.missing: set[int] = set()
        self.not_regular: set[int] = set()
        self.attributes: list[Status] = []
        self.digests: list[str] = []
        self.entries: dict[int, list[bytes]] = {}
        self.lines: dict[int, list[bytes]] = {}
        self.local: dict[tuple[str, int], bool] = {}
        self.accounts: dict[tuple[str, int], tuple[str, ...] | None] = {}
        self.group_ids: dict[int, tuple[int, ...]] = {}
        self.packages_done = False

    def take(self, raw: bytes) -> None:
        """Read one line.

        Raises:
            KeyError, ValueError, IndexError, OverflowError: It is no record that was asked for.
        """
        tag, _, rest = raw.decode("ascii").partition(" ")
        _RECORDS[tag](self, rest)

    def _once(self, tag: str, number: str | int, limit: int) -> int:
        index = whole_number(number) if isinstance(number, str) else number
        if index >= limit or (tag, index) in self.seen:
            raise ValueError(tag)
        self.seen.add((tag, index))
        return index

    def _uid(self, rest: str) -> None:
        self._once("u", 0, 1)
        self.observed.uid = whole_number(rest)

    def _receipts(self, rest: str) -> None:
        self._once("z", 0, 1)
        if rest != "-":
            mode, uid = rest.split(" ")
            self.observed.receipts_mode, self.observed.receipts_uid = int(mode, 16), whole_number(uid)

    def _receipt(self, rest: str) -> None:
        self._once("Z", 0, 1)
        if rest == "!":
            self.observed.receipt = b""  # not a regular file: read as a damaged receipt
        elif rest != "-":
            self.observed.receipt = from_hex(rest)

    def _missing(self, rest: str) -> None:
        self.missing.add(self._once("M", rest, len(self.question.paths)))

    def _attributes(self, rest: str) -> None:
        raw, uid, gid, size, inode, device, mtime, ctime, names = rest.split(" ", 8)
        owner, colon, group = names.partition(":")
        if not colon:
            raise ValueError(rest)
        mode = int(raw, 16)
        self.attributes.append(
            Status(
                type=_TYPES.get(mode & 0o170000, "special"),
                mode=mode & 0o7777,
                uid=whole_number(uid),
                gid=whole_number(gid),
                size=whole_number(size),
                inode=whole_number(inode),
                device=whole_number(device),
                mtime=int(mtime),
                ctime=int(ctime),
                owner=owner,
                group=group,
            )
        )

    def _not_regular(self, rest: str) -> None:
        self.not_regular.add(self._once("G", rest, len(self.question.digests)))

    def _digest(self, rest: str) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", rest):
            raise ValueError(rest)
        self.digests.append(rest)

    def _sealed(self, rest: str) -> None:
        number, value = rest.split(" ")
        path = self.question.sealed[self._once("W", number, len(self.question.sealed))]
        if re.fullmatch(r"[0-9a-f]{64}", value):
            self.observed.sealed[path] = value
        elif value != "-":
            raise ValueError(rest)

    def _target(self, rest: str) -> None:
        number, value = rest.split(" ")
        path = self.question.links[self._once("T", number, len(self.question.links))]
        self.observed.links[path] = from_hex(value)

    def _folder(self, rest: str) -> None:
        number, value = rest.split(" ")
        path = self.question.folders[self._once("R", number, len(self.question.folders))]
        if value == "=":
            self.observed.folders[path] = path.encode("utf-8", "surrogateescape")
        elif value != "-":
            self.observed.folders[path] = from_hex(value)

    def _entry(self, rest: str) -> None:
        number, value = rest.split(" ")
        name = value[1:].encode() if value.startswith("=") else from_hex(value)
        if not name:
            raise ValueError(rest)
        self.entries.setdefault(whole_number(number), []).append(name)

    def _listing(self, rest: str) -> None:
        number, count = rest.split(" ")
        index = self._once("n", number, len(self.question.listings))
        path = self.question.listings[index]
        if count == "-":
            return
        entries = self.entries.pop(index, [])
        if whole_number(count) > MAX_ENTRIES:
            self.observed.listings[path] = None
        elif whole_number(count) != len(entries) or len(set(entries)) != len(entries):
            raise ValueError(rest)
        else:
            self.observed.listings[path] = tuple(entries)

    def _line(self, rest: str) -> None:
        number, _, value = rest.partition(" ")
        self.lines.setdefault(whole_number(number), []).append(bytes.fromhex(plain_hex(value)))

    def _lines(self, rest: str) -> None:
        number, value = rest.split(" ")
        index = self._once("l", number, len(self.question.lines))
        if value == ".":
            self.observed.lines[self.question.lines[index].key] = tuple(self.lines.pop(index, []))
        elif value != "-":
            raise ValueError(rest)

    def _block(self, rest: str) -> None:
        number, _, value = rest.partition(" ")
        index = self._once("B", number, len(self.question.blocks))
        if value == "-":
            return
        begins, ends, ordered, content = value.split(" ")
        once = begins == ends == "1"
        sound = (once and ordered == "1") or begins == ends == "0"
        self.observed.blocks[self.question.blocks[index].key] = BlockStatus(once, sound, from_hex(content))

    def _package(self, rest: str) -> None:
        name, want, status, version = rest.split(" ")
        if name not in self.question.packages:
            raise ValueError(rest)
        # A package may be there for several architectures or, a kernel say, in several versions.
        if status == "installed" and name not in self.observed.packages:
            self.observed.packages[name] = PackageStatus(version, want == "hold")

    def _packages(self, rest: str) -> None:
        manager, status, state = rest.split(" ")
        self._once("k", 0, 1)
        if manager not in ("dpkg", "rpm", "none") or status not in ("0", "1"):
            raise ValueError(rest)
        if state not in ("whole", "interrupted"):
            raise ValueError(rest)
        self.observed.manager = manager
        self.observed.packages_interrupted = state == "interrupted"
        self.packages_done = True

    def _account(self, tag: str, limit: int, width: int, rest: str) -> None:
        number, value = rest.split(" ")
        index = self._once(tag, number, limit)
        if value == "-":
            self.accounts[(tag, index)] = None
            return
        fields = tuple(from_hex(value).decode("utf-8", "surrogateescape").split(":"))
        if len(fields) != width:
            raise ValueError(rest)
        whole_number(fields[2]), whole_number(fields[3] if width == 7 else "0")
        self.accounts[(tag, index)] = fields

    def _local(self, tag: str, limit: int, rest: str) -> None:
        number, value = rest.split(" ")
        index = self._once(tag, number, limit)
        if value not in ("+", "-"):
            raise ValueError(rest)
        self.local[(tag, index)] = value == "+"

    def _group_ids(self, rest: str) -> None:
        number, _, value = rest.partition(" ")
        index = self._once("I", number, len(self.question.users))
        self.group_ids[index] = () if value == "-" else tuple(whole_number(item) for item in value.split(" "))

    def _units(self, rest: str) -> None:
        self._once("U", 0, 1)
        if rest == "-":
            return
        blocks = from_hex(rest).decode("utf-8", "surrogateescape").split("\n\n")
        if len(blocks) != len(self.question.units):
            raise ValueError(rest)
        self.observed.units = {}
        for unit, block in zip(self.question.units, blocks, strict=True):
            pairs = dict(line.split("=", 1) for line in block.strip("\n").split("\n"))
            if set(pairs) - set(UNIT_PROPERTIES) or "LoadState" not in pairs:
                raise ValueError(rest)
            self.observed.units[unit] = pairs

    def _vendor(self, rest: str) -> None:
        number, value = rest.split(" ")
        index = self._once("V", number, len(self.question.units))
        if value not in ("ok", "edited", "unknown"):
            raise ValueError(rest)
        self.observed.vendor[self.question.units[index]] = value

    def _setting(self, rest: str) -> None:
        number, value = rest.split(" ")
        index = self._once("Q", number, len(self.question.sysctls))
        if value != "-":
            self.observed.sysctls[self.question.sysctls[index]] = " ".join(
                from_hex(value).decode("ascii").split()
            )

    def _command(self, tag: str, names: tuple[str, ...], into: dict[str, CommandResult], rest: str) -> None:
        number, status, output = rest.split(" ")
        index = self._once(tag, number, len(names))
        text = from_hex(output).decode("utf-8", "replace")
        into[names[index]] = CommandResult(whole_number(status), text.strip())

    def _check(self, rest: str) -> None:
        self._command("C", tuple(check.name for check in self.question.checks), self.observed.checks, rest)

    def _stamp(self, rest: str) -> None:
        self._command("S", self.question.stamps, self.observed.stamps, rest)


def _account_record(tag: str, table: str, width: int) -> Callable[[Records, str], None]:
    return lambda reader, rest: reader._account(tag, len(getattr(reader.question, table)), width, rest)


def _local_record(tag: str, table: str) -> Callable[[Records, str], None]:
    return lambda reader, rest: reader._local(tag, len(getattr(reader.question, table)), rest)


_RECORDS: dict[str, Callable[[Records, str], None]] = {
    "u": Records._uid,
    "z": Records._receipts,
    "Z": Records._receipt,
    "M": Records._missing,
    "A": Records._attributes,
    "G": Records._not_regular,
    "D": Records._digest,
    "W": Records._sealed,
    "T": Records._target,
    "R": Records._folder,
    "N": Records._entry,
    "n": Records._listing,
    "L": Records._line,
    "l": Records._lines,
    "B": Records._block,
    "K": Records._package,
    "k": Records._packages,
    "P": _account_record("P", "users", 7),
    "p": _local_record("p", "users"),
    "I": Records._group_ids,
    "Y": _account_record("Y", "uids", 7),
    "E": _account_record("E", "groups", 4),
    "e": _local_record("e", "groups"),
    "F": _account_record("F", "gids", 4),
    "U": Records._units,
    "V": Records._vendor,
    "Q": Records._setting,
    "C": Records._check,
    "S": Records._stamp,
}
