"""One call per host: everything of a role that differs, written ahead in the receipt, done, confirmed."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

from .errors import HostError
from .expected import Attributes, Expected, digest, file_type
from .foreign import before_edit, edit_file
from .lock import host_lock
from .packages import CameAlong
from .receipts import Entry, Owed, Receipt
from .store import Store, owners
from .units import change_unit, reload_manager, write_sysctl
from .walk import open_directory, split
from .writing import NewFile, make_directory, make_link, remove, set_attributes, sweep, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .platform import HostPaths, Platform

SCHEMA = 1
_CHUNK = 1 << 20
_PATH_KINDS = frozenset({"file", "directory", "link", "absent"})


class Batch:
    """The actions of one role on one host.

    Args:
        document: What the controller sent, see `casa_install/state/batch.py` for its making.
        platform: What the surrounding program lends.
        paths: Where our own things are kept.
    """

    def __init__(self, document: dict[str, Any], platform: Platform, paths: HostPaths) -> None:
        if document.get("schema") != SCHEMA:
            raise HostError(f"the host's part of casa_state reads schema {SCHEMA}, it was sent another one")
        self.document = document
        self.platform = platform
        self.paths = paths
        self.store = Store(paths, document["role"])
        self.came_along = CameAlong(paths, document["role"], platform)
        self.run = str(document["run"])
        self.done: list[str] = []
        self.failures: list[dict[str, str]] = []
        self.notes: list[str] = []
        self._ours: dict[tuple[str, str], dict[str, Any]] = {}

    def apply(self) -> dict[str, Any]:
        """Do everything; returns `done` (descriptions), `failures` (message, hint), `notes`.

        A failed action leaves its thing as it was and stops others only where none of them could succeed.

        Raises:
            HostError: The lock is held, or the receipts cannot be trusted or written: nothing was changed.
        """
        with host_lock(self.paths.lock, str(self.document["holder"])):
            self.store.require_private()
            receipt = self.store.load()
            for path in self.document.get("sweep", []):
                self.notes.extend(f"removed {name}, left by a run that was killed" for name in sweep(path))
            fresh = self._intend(receipt)
            self.store.save(receipt)
            if self.document.get("installs"):
                self.came_along.note_before()
            failed = self._perform(receipt)
            self._close(receipt, fresh, failed)
            self.store.save(receipt)
            if not receipt.entries:
                self.store.tidy()
        return {"done": self.done, "failures": self.failures, "notes": self.notes}

    def _intend(self, receipt: Receipt) -> set[tuple[str, str]]:
        """Write ahead what will be touched; returns the keys that were not in the receipt before."""
        fresh: set[tuple[str, str]] = set()
        now = int(time.time())
        try:
            for action in sorted(self._touched(), key=lambda action: int(action["entry"]["order"])):
                wanted = action["entry"]
                key = (wanted["kind"], wanted["name"])
                if receipt.find(*key) is None:
                    fresh.add(key)
                    before = wanted.get("before")
                    if before is None:
                        before = self._look_before(action)
                else:
                    before = {}
                receipt.intend(Entry(*key, wanted["phase"], before, run=self.run, since=now))
        except BaseException:
            for key in fresh:
                entry = receipt.find(*key)
                if entry is not None:
                    self.store.forget(entry.before)
            raise
        for owed in self.document.get("owe", []):
            receipt.owe(Owed(owed["handler"], now, owed["proof"], owed["reason"]))
        return fresh

    def _touched(self) -> list[dict[str, Any]]:
        return [*self.document.get("record", []), *self.document.get("actions", [])]

    def _look_before(self, action: dict[str, Any]) -> dict[str, Any]:
        sensitive = bool(action.get("sensitive"))
        if action["op"] in ("line", "block"):
            return before_edit(action, self.store)
        return self.store.snapshot(action["path"], sensitive=sensitive)

    def _perform(self, receipt: Receipt) -> set[tuple[str, str]]:
        failed: set[tuple[str, str]] = set()
        stopped = False
        for action in self.document.get("actions", []):
            key = (action["entry"]["kind"], action["entry"]["name"])
            if stopped:
                failed.add(key)
                continue
            try:
                _OPERATIONS[action["op"]](self, action, receipt)
            except HostError as fault:
                failed.add(key)
                self.failures.append({"name": key[1], "message": fault.message, "hint": fault.hint})
                stopped = fault.fatal
            else:
                if action.get("text"):
                    self.done.append(action["text"])
        return failed

    def _close(self, receipt: Receipt, fresh: set[tuple[str, str]], failed: set[tuple[str, str]]) -> None:
        later = {tuple(key) for key in self.document.get("unconfirmed", [])}
        for action in self._touched():
            key = (action["entry"]["kind"], action["entry"]["name"])
            if key not in failed | later:
                receipt.confirm(*key, self._ours.get(key, self._look_ours(action)))
        if not any(kind == "package" for kind, _ in later):
            self.came_along.write_into(receipt)
        for key in failed & fresh:
            entry = receipt.find(*key)
            if entry is not None and key not in self._ours:
                self.store.forget(entry.before)
                receipt.drop(*key)
        for kind, name in self.document.get("confirm", []):
            receipt.confirm(kind, name)
        for kind, name in self.document.get("drop", []):
            receipt.drop(kind, name)
        for handler in self.document.get("settle", []):
            receipt.settle(handler)

    # One method per operation; each leaves its thing as it was or as it should be.

    def _file(self, action: dict[str, Any], _: Receipt) -> None:
        sha = hashlib.sha256()

        def chunks() -> Iterator[bytes]:
            for chunk in _content(action):
                sha.update(chunk)
                yield chunk

        new = NewFile(
            action["path"],
            chunks,
            Attributes.of(action),
            Expected.of(action),
            tuple(action.get("validate", ())),
            private=bool(action.get("sensitive")),
        )
        left = write_file(new, self.platform)
        self._own(action, left if action.get("sensitive") else {"sha256": sha.hexdigest()})

    def _attributes(self, action: dict[str, Any], _: Receipt) -> None:
        set_attributes(action["path"], Attributes.of(action), Expected.of(action))
        self._own(action, None)

    def _directory(self, action: dict[str, Any], _: Receipt) -> None:
        make_directory(action["path"], Attributes.of(action), self.platform)
        self._own(action, {})

    def _link(self, action: dict[str, Any], _: Receipt) -> None:
        make_link(action["path"], action["target"], Expected.of(action), self.platform)
        self._own(action, {"target": action["target"]})

    def _absent(self, action: dict[str, Any], _: Receipt) -> None:
        expected = Expected.of(action)
        if expected.type == "directory":
            kept = self.store.quarantine(action["path"], self.run)
            self.notes.append(f"moved {action['path']} to {kept}")
        else:
            remove(action["path"], expected)
        self._own(action, {})

    def _edit(self, action: dict[str, Any], _: Receipt) -> None:
        edit_file(action, self.platform)
        self._own(action, None)

    def _quarantine(self, action: dict[str, Any], receipt: Receipt) -> None:
        entry = receipt.find(action["entry"]["kind"], action["entry"]["name"])
        if entry is None or not entry.added:
            raise HostError(
                f"{action['path']} was there before casa-install, so what is in it is not moved away",
                hint="take `exclusive: true` off it",
            )
        owned = owners(self.paths)
        for name in action["names"]:
            path = f"{action['path']}/{os.fsdecode(base64.b64decode(name))}"
            if path in owned:
                raise HostError(f"{path} belongs to role {owned[path]} and was not moved away")
            kept = self.store.quarantine(path, self.run)
            self.notes.append(f"moved {path} to {kept}")

    def _sysctl(self, action: dict[str, Any], _: Receipt) -> None:
        write_sysctl(action["key"], action["value"], self.paths)
        self._own(action, {"value": action["value"]})

    def _unit(self, action: dict[str, Any], _: Receipt) -> None:
        change_unit(action, self.platform)
        self._own(action, {"masked": True} if action.get("masked") else {})

    def _reload(self, _: dict[str, Any], __: Receipt) -> None:
        reload_manager(self.platform)

    def _look_ours(self, action: dict[str, Any]) -> dict[str, Any] | None:
        """Describe what is there after a run that had nothing to write, so that removal knows it again."""
        if "ours" in action["entry"]:
            return dict(action["entry"]["ours"])
        if action["entry"]["kind"] not in _PATH_KINDS:
            return None
        parent, name = split(action["path"])
        try:
            directory = open_directory(parent)
        except HostError:
            return {}
        with directory:
            ours: dict[str, Any] = {} if directory.path == parent else {"parent": directory.path}
            status = directory.lstat(name)
            if status is not None and file_type(status) == "file":
                if action.get("sensitive"):
                    ours.update(inode=status.st_ino, mtime_ns=status.st_mtime_ns)
                else:
                    ours["sha256"] = digest(directory, name)
            elif status is not None and file_type(status) == "link":
                ours["target"] = os.readlink(name, dir_fd=directory.descriptor)
            return ours

    def _own(self, action: dict[str, Any], ours: dict[str, Any] | None) -> None:
        """Note what we left, for the receipt; None keeps what it says already."""
        if ours is None:
            return
        if action["entry"]["kind"] in _PATH_KINDS:
            parent = split(action["path"])[0]
            with open_directory(parent) as directory:
                if directory.path != parent:
                    ours = {**ours, "parent": directory.path}
        self._ours[action["entry"]["kind"], action["entry"]["name"]] = ours


_OPERATIONS: dict[str, Callable[[Batch, dict[str, Any], Receipt], None]] = {
    "file": Batch._file,
    "attributes": Batch._attributes,
    "directory": Batch._directory,
    "link": Batch._link,
    "absent": Batch._absent,
    "line": Batch._edit,
    "block": Batch._edit,
    "quarantine": Batch._quarantine,
    "sysctl": Batch._sysctl,
    "unit": Batch._unit,
    "daemon-reload": Batch._reload,
}


def _content(action: dict[str, Any]) -> Iterator[bytes]:
    """Yield the new content: sent in the batch, or streamed to the host before (files over 1 MiB)."""
    if "staged" in action:
        with open(action["staged"], "rb") as stream:
            yield from iter(lambda: stream.read(_CHUNK), b"")
    else:
        yield base64.b64decode(action["content"])


def current_contents(requests: list[str], limit: int = _CHUNK) -> dict[str, str | None]:
    """Return what files hold now, in base64, for `--diff`; None where there is no file or it is too large."""
    found: dict[str, str | None] = {}
    for path in requests:
        found[path] = None
        parent, name = split(path)
        try:
            with open_directory(parent) as directory:
                status = directory.lstat(name)
                if status is None or file_type(status) != "file" or status.st_size > limit:
                    continue
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory.descriptor)
                with os.fdopen(descriptor, "rb") as stream:
                    found[path] = base64.b64encode(stream.read(limit)).decode("ascii")
        except HostError:
            continue
    return found
