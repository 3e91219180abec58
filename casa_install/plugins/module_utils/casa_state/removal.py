"""Playing a receipt backwards on the host, touching nothing else."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any

from . import edits
from .errors import HostError
from .expected import Attributes, Expected, digest, file_type
from .foreign import read_content, replace_content
from .lock import host_lock
from .removal_plan import HOST_KINDS, Step, plan_removal
from .store import Store
from .units import change_unit, reload_manager, write_sysctl
from .walk import open_directory, split
from .writing import make_link, remove, set_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .platform import HostPaths, Platform
    from .receipts import Entry


class Removal:
    """Takes back what a role's receipt lists.

    Args:
        role: The role.
        holder: Who asks, for the host's lock.
        platform: What the surrounding program lends.
        paths: Where our own things are kept.
        maintenance: Leave units alone.
    """

    def __init__(
        self, role: str, holder: str, platform: Platform, paths: HostPaths, *, maintenance: bool = False
    ) -> None:
        self.store = Store(paths, role)
        self.holder = holder
        self.platform = platform
        self.paths = paths
        self.maintenance = maintenance
        self.done: list[str] = []
        self.notes: list[str] = []
        self.failures: list[dict[str, str]] = []

    def undo(self, phases: Iterable[str], only: Iterable[tuple[str, str]] | None = None) -> dict[str, Any]:
        """Undo the entries of `phases`, backwards; with `only`, just those of them.

        Each entry leaves the receipt as soon as it is undone, so a removal that was killed goes on where it
        stopped. Packages and accounts are not touched here: Ansible's own modules remove them.

        Returns:
            `done`, `failures` (message, hint), `notes`, as `Batch.apply` does.

        Raises:
            HostError: The lock is held or the receipts cannot be trusted: nothing was changed.
        """
        chosen = None if only is None else {tuple(key) for key in only}
        wanted = set(phases)
        with host_lock(self.paths.lock, self.holder):
            self.store.require_private()
            receipt = self.store.load()
            reload = False
            for step in plan_removal(receipt):
                entry = step.entry
                if entry.phase not in wanted or entry.kind not in HOST_KINDS:
                    continue
                if chosen is not None and entry.key not in chosen:
                    continue
                if not self._undo(step):
                    continue
                reload = reload or entry.name.startswith("/etc/systemd/system/")
                receipt.drop(*entry.key)
                self.store.save(receipt)
                self.store.forget(entry.before)
            if not receipt.entries:
                self.store.tidy()
            if reload and not self.maintenance:
                with contextlib.suppress(HostError):
                    reload_manager(self.platform)
        return {"done": self.done, "failures": self.failures, "notes": self.notes}

    def _undo(self, step: Step) -> bool:
        try:
            _UNDO[step.entry.kind](self, step.entry)
        except HostError as fault:
            self.failures.append({"name": step.entry.name, "message": fault.message, "hint": fault.hint})
            return False
        self.done.append(step.text)
        return True

    def _file(self, entry: Entry) -> None:
        path = entry.name
        if not _parent_exists(path):
            self.notes.append(f"{path} was gone already")
            return
        if self._changed_since(entry):
            self._set_aside(path)
        if entry.before["type"] == "file":
            self.store.restore(path, entry.before, self.platform)
        elif entry.before["type"] == "link":
            make_link(path, str(entry.before["target"]), Expected(), self.platform)
        else:
            remove(path, Expected())

    def _changed_since(self, entry: Entry) -> bool:
        """True where the file is not what we left, so that somebody's work would be lost with it."""
        parent, name = split(entry.name)
        with open_directory(parent) as directory:
            status = directory.lstat(name)
            if file_type(status) != "file" or status is None:
                return status is not None and file_type(status) != "link"
            if "sha256" in entry.ours:
                return bool(digest(directory, name) != entry.ours["sha256"])
            if "inode" in entry.ours:
                return (status.st_ino, status.st_mtime_ns) != (entry.ours["inode"], entry.ours["mtime_ns"])
            return entry.before.get("sha256") != digest(directory, name)

    def _set_aside(self, path: str) -> None:
        parent, name = split(path)
        with open_directory(parent) as directory:
            kept, number = f"{name}.casa-save", 1
            while directory.lstat(kept) is not None:
                kept, number = f"{name}.casa-save.{number}", number + 1
            os.rename(name, kept, src_dir_fd=directory.descriptor, dst_dir_fd=directory.descriptor)
            directory.sync()
            self.notes.append(f"{path} was changed by somebody; kept as {directory.join(kept)}")

    def _directory(self, entry: Entry) -> None:
        if not _parent_exists(entry.name):
            return
        if not entry.added:
            before = entry.before
            if before["type"] == "directory":
                with contextlib.suppress(HostError):
                    set_attributes(
                        entry.name,
                        Attributes(str(before["uid"]), str(before["gid"]), int(before["mode"], 8)),
                        Expected("directory"),
                    )
            return
        try:
            remove(entry.name, Expected())
        except HostError as fault:
            if "something in it" not in fault.message:
                raise
            self.notes.append(f"kept {entry.name}: there is something in it that is not ours")

    def _link(self, entry: Entry) -> None:
        parent, name = split(entry.name)
        if not _parent_exists(entry.name):
            return
        with open_directory(parent) as directory:
            status = directory.lstat(name)
            ours = file_type(status) == "link" and os.readlink(
                name, dir_fd=directory.descriptor
            ) == entry.ours.get("target")
        if not ours and status is not None:
            self._set_aside(entry.name)
        if entry.before["type"] == "file":
            self.store.restore(entry.name, entry.before, self.platform)
        elif entry.before["type"] == "link":
            make_link(entry.name, str(entry.before["target"]), Expected(), self.platform)
        elif ours:
            remove(entry.name, Expected())

    def _absent(self, entry: Entry) -> None:
        if entry.before["type"] == "absent" or not _parent_exists(entry.name):
            return
        parent, name = split(entry.name)
        with open_directory(parent) as directory:
            if directory.lstat(name) is not None:
                self.notes.append(f"{entry.name} is there again; it was left as it is")
                return
        if entry.before["type"] == "directory":
            self.notes.append(f"{entry.name} was moved to {self.paths.quarantine}; it stays there")
        else:
            self._restore_absent(entry)

    def _restore_absent(self, entry: Entry) -> None:
        if entry.before["type"] == "file":
            self.store.restore(entry.name, entry.before, self.platform)
        elif entry.before["type"] == "link":
            make_link(entry.name, str(entry.before["target"]), Expected(), self.platform)

    def _line(self, entry: Entry) -> None:
        path = str(entry.before["path"])
        content = read_content(path)
        if content is None:
            return
        text = entry.ours.get("text")
        replaced = self._replaced(entry)
        if entry.removed:
            # Where it stood is not known any more.
            changed = content if replaced is None else edits.set_line(content, replaced, b"")
        else:
            changed = edits.undo_line(
                content,
                None if text is None else os.fsencode(text),
                os.fsencode(entry.before["prefix"]),
                replaced,
            )
        self._write_back(entry, path, content, changed)

    def _block(self, entry: Entry) -> None:
        path = str(entry.before["path"])
        content = read_content(path)
        if content is None:
            return
        begin, end = os.fsencode(entry.before["begin"]), os.fsencode(entry.before["end"])
        replaced = self._replaced(entry)
        if entry.removed and replaced is None:
            return
        try:
            if replaced is None:
                changed = edits.drop_block(content, begin, end)
            else:
                changed = edits.set_block(content, begin, end, replaced)
        except edits.EditError as fault:
            raise HostError(f"{path} was left as it is: {fault}") from fault
        self._write_back(entry, path, content, changed)

    def _replaced(self, entry: Entry) -> bytes | None:
        if entry.before["type"] == "absent":
            return None
        if "saved" in entry.before:
            return read_content(str(entry.before["saved"]))
        return os.fsencode(entry.before["text"])

    def _write_back(self, entry: Entry, path: str, content: bytes, changed: bytes) -> None:
        if changed == b"" and entry.before.get("file") == "absent":
            remove(path, Expected())
        elif changed != content:
            replace_content(path, content, changed, self.platform, {"sensitive": "saved" in entry.before})

    def _sysctl(self, entry: Entry) -> None:
        value = entry.before.get("value")
        if value is not None:
            write_sysctl(entry.name, str(value), self.paths)

    def _unit(self, entry: Entry) -> None:
        if self.maintenance:
            raise HostError(f"{entry.name} was left alone: casa_maintenance is set for this host")
        unit: dict[str, Any] = {"unit": entry.name}
        before = entry.before
        if entry.ours.get("masked"):
            change_unit({**unit, "masked": False}, self.platform)
        if before.get("type") == "absent":
            change_unit({**unit, "enabled": False, "state": "stopped"}, self.platform)
            return
        if before.get("masked"):
            change_unit({**unit, "state": "stopped", "masked": True}, self.platform)
            return
        change_unit(
            {
                **unit,
                "enabled": before.get("enabled"),
                "state": "started" if before.get("active") else "stopped",
            },
            self.platform,
        )


def _parent_exists(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(split(path)[0]).st_mode)
    except OSError:
        return False


_UNDO: dict[str, Callable[[Removal, Entry], None]] = {
    "file": Removal._file,
    "directory": Removal._directory,
    "link": Removal._link,
    "absent": Removal._absent,
    "line": Removal._line,
    "block": Removal._block,
    "sysctl": Removal._sysctl,
    "unit": Removal._unit,
}
