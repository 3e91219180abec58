"""The receipt: what one role changed on one host, and what was there before.

The document is `/etc/casa-install/receipts/<role>.json`. The controller reads it through the probe and the
host writes it, so both use this one model.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1

_ENTRY_TYPES: dict[str, type] = {
    "kind": str,
    "name": str,
    "phase": str,
    "before": dict,
    "ours": dict,
    "confirmed": bool,
    "run": str,
    "since": int,
}
_OWED_TYPES: dict[str, type] = {"handler": str, "since": int, "proof": str, "reason": str}


class ReceiptError(Exception):
    """A receipt that must not be acted on: damaged, of another role, or written by a newer casa-install."""


@dataclass
class Entry:
    """One thing of ours.

    `before` is what was there when we first touched it and never changes afterwards; `ours` is what we left.
    Neither ever holds content or a digest of anything declared `sensitive`.
    """

    kind: str
    name: str
    phase: str
    before: dict[str, Any] = field(default_factory=dict)
    ours: dict[str, Any] = field(default_factory=dict)
    confirmed: bool = False
    run: str = ""
    since: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name)

    @property
    def added(self) -> bool:
        """True where nothing was there before us and something is now, so removal may take it away."""
        return self.before.get("type") == "absent" and not self.removed

    @property
    def removed(self) -> bool:
        """True where we saw to it that something is not there."""
        return self.kind == "absent" or bool(self.ours.get("removed"))


@dataclass
class Owed:
    """A handler that a change calls for and that is not yet proved to have run.

    `since` is the host's clock in seconds; `proof` is `restart`, `stamp` or `record`.
    """

    handler: str
    since: int
    proof: str = "record"
    reason: str = ""


@dataclass
class Receipt:
    """Everything one role owns on one host, in the order it was made."""

    role: str
    entries: list[Entry] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)

    def find(self, kind: str, name: str) -> Entry | None:
        for entry in self.entries:
            if entry.key == (kind, name):
                return entry
        return None

    def intend(self, entry: Entry) -> Entry:
        """Record that `entry` is about to be changed, and return the entry that counts.

        A second run, or a run after one that was killed, finds the entry already there: the first `before`
        is the truth about what was there without us, so it is kept.
        """
        known = self.find(*entry.key)
        if known is None:
            entry.confirmed = False
            self.entries.append(entry)
            return entry
        known.confirmed = False
        known.phase = entry.phase
        return known

    def confirm(self, kind: str, name: str, ours: dict[str, Any] | None = None) -> None:
        entry = self.find(kind, name)
        if entry is not None:
            entry.confirmed = True
            if ours is not None:
                # What came along with a package stays known when its version changes.
                kept = {"came": entry.ours["came"]} if "came" in entry.ours else {}
                entry.ours = {**kept, **ours}

    def drop(self, kind: str, name: str) -> None:
        self.entries = [entry for entry in self.entries if entry.key != (kind, name)]

    def owe(self, owed: Owed) -> None:
        """Record a handler as owed; the newest debt of one handler replaces the older ones."""
        self.settle(owed.handler)
        self.owed.append(owed)

    def settle(self, handler: str) -> None:
        self.owed = [owed for owed in self.owed if owed.handler != handler]


def dump(receipt: Receipt) -> bytes:
    """Return the document as bytes; equal receipts give equal bytes."""
    document = {
        "schema": SCHEMA,
        "role": receipt.role,
        "entries": [asdict(entry) for entry in receipt.entries],
        "owed": [asdict(owed) for owed in receipt.owed],
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")


def parse(data: bytes, role: str) -> Receipt:
    """Read a receipt.

    Args:
        data: The file's bytes.
        role: The role whose receipt it must be.

    Raises:
        ReceiptError: It is damaged, belongs to another role, or has a schema that this version cannot read.
    """
    where = f"the receipt of role {role}"
    try:
        document = json.loads(data.decode("ascii"))
    except (UnicodeDecodeError, ValueError, RecursionError) as fault:
        raise ReceiptError(f"{where} is damaged: it is not JSON") from fault
    if not isinstance(document, dict):
        raise ReceiptError(f"{where} is damaged: it is not an object")
    if document.get("schema") != SCHEMA:
        raise ReceiptError(
            f"{where} has schema {document.get('schema')!r}, this casa-install reads schema {SCHEMA}: "
            "use the version that wrote it, or a newer one"
        )
    if set(document) != {"schema", "role", "entries", "owed"}:
        raise ReceiptError(f"{where} is damaged: its keys are {sorted(map(str, document))}")
    if document["role"] != role:
        raise ReceiptError(f"{where} says that it belongs to role {document['role']!r}")
    entries = [Entry(**_typed(item, _ENTRY_TYPES, where)) for item in _list(document["entries"], where)]
    keys = [entry.key for entry in entries]
    if len(set(keys)) != len(keys):
        raise ReceiptError(f"{where} is damaged: it lists one thing twice")
    owed = [Owed(**_typed(item, _OWED_TYPES, where)) for item in _list(document["owed"], where)]
    return Receipt(role=role, entries=entries, owed=owed)


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ReceiptError(f"{where} is damaged: a list is missing")
    return value


def _typed(item: object, types: dict[str, type], where: str) -> dict[str, Any]:
    if not isinstance(item, dict) or set(item) != set(types):
        raise ReceiptError(f"{where} is damaged: an entry has the wrong keys")
    for key, wanted in types.items():
        if type(item[key]) is not wanted:
            raise ReceiptError(f"{where} is damaged: {key} is not {wanted.__name__}")
    return item
