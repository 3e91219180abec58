"""Where casa-install keeps its receipts, and copies of what it replaced, on a host."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from typing import Any

from .errors import HostError, explain
from .expected import Attributes, Expected, digest, file_type
from .platform import HostPaths, PlainPlatform, Platform
from .receipts import Receipt, ReceiptError, dump, parse
from .walk import open_directory, split
from .writing import NewFile, write_file

_MAX_RECEIPT = 16 << 20


class Store:
    """The directory `/etc/casa-install` of one host, as one role uses it."""

    def __init__(self, paths: HostPaths, role: str) -> None:
        self.paths = paths
        self.role = role

    @property
    def path(self) -> str:
        return f"{self.paths.receipts}/{self.role}.json"

    def require_private(self) -> None:
        """Make the directories, or refuse them where others than root could read or change them.

        Raises:
            HostError: One is no directory, is not root's, or is open to others.
        """
        for path in (self.paths.base, self.paths.receipts, self.paths.saved, self.paths.quarantine):
            parent, name = split(path)
            with open_directory(parent) as directory:
                status = directory.lstat(name)
                if status is None:
                    # The base may hold what others read; what is inside may not.
                    os.mkdir(name, 0o755 if path == self.paths.base else 0o700, dir_fd=directory.descriptor)
                    status = os.lstat(name, dir_fd=directory.descriptor)
                allowed = 0o755 if path == self.paths.base else 0o700
                if (
                    not stat.S_ISDIR(status.st_mode)
                    or status.st_uid != 0
                    or stat.S_IMODE(status.st_mode) & ~allowed
                ):
                    raise HostError(
                        f"{path} must be a directory of root with mode {allowed:04o}; "
                        f"it is a {file_type(status)} of uid {status.st_uid} "
                        f"with mode {stat.S_IMODE(status.st_mode):04o}",
                        hint="find out who changed it before you trust what is in it; "
                        f"then: chown root {path} && chmod {allowed:04o} {path}",
                    )

    def load(self) -> Receipt:
        """Read the role's receipt; an empty one where there is none yet.

        Raises:
            HostError: It is damaged or of a newer version; nothing may be changed on a guess.
        """
        parent, name = split(self.path)
        with open_directory(parent) as directory:
            if directory.lstat(name) is None:
                return Receipt(self.role)
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory.descriptor)
            with os.fdopen(descriptor, "rb") as stream:
                data = stream.read(_MAX_RECEIPT)
        try:
            return parse(data, self.role)
        except ReceiptError as fault:
            raise HostError(
                str(fault), hint=f"look at {self.path}; a copy of it is in your backup"
            ) from fault

    def save(self, receipt: Receipt) -> bool:
        """Write the receipt if it changed; an empty one is removed. Returns whether anything was written."""
        parent, name = split(self.path)
        data = dump(receipt)
        with open_directory(parent) as directory:
            status = directory.lstat(name)
            if not receipt.entries and not receipt.owed:
                if status is not None:
                    os.unlink(name, dir_fd=directory.descriptor)
                    directory.sync()
                return status is not None
            if file_type(status) == "file":
                with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=directory.descriptor), "rb") as stream:
                    if stream.read() == data:
                        return False
        write_file(
            NewFile(self.path, lambda: iter((data,)), Attributes("0", "0", 0o600), private=True),
            PlainPlatform(),
        )
        return True

    def tidy(self) -> None:
        """Remove our own directories where nothing is left in them: no role owns anything here any more."""
        for path in (self.paths.receipts, self.paths.saved, self.paths.quarantine, self.paths.base):
            try:
                os.rmdir(path)
            except OSError:
                continue

    def snapshot(self, path: str, *, sensitive: bool) -> dict[str, Any]:
        """Describe what is at `path`, keeping a copy of a file, so that removal can put it back.

        Args:
            path: The path that is about to be changed.
            sensitive: Keep no digest of it.
        """
        parent, name = split(path)
        try:
            directory = open_directory(parent)
        except HostError:
            return {"type": "absent"}
        with directory:
            status = directory.lstat(name)
            found = file_type(status)
            if status is None:
                return {"type": "absent"}
            before: dict[str, Any] = {
                "type": found,
                "uid": status.st_uid,
                "gid": status.st_gid,
                "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            }
            if found == "link":
                before["target"] = os.readlink(name, dir_fd=directory.descriptor)
            elif found == "file":
                before["saved"] = self._keep(directory.descriptor, name, path)
                if not sensitive:
                    before["sha256"] = digest(directory, name)
            return before

    def _keep(self, descriptor: int, name: str, path: str) -> str:
        kept = f"{self.paths.saved}/{self.role}-{secrets.token_hex(8)}"
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
        try:
            target = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(source, "rb") as old, os.fdopen(target, "wb") as new:
                shutil.copyfileobj(old, new)
                new.flush()
                os.fsync(new.fileno())
        except OSError as fault:
            if os.path.lexists(kept):
                os.unlink(kept)
            raise explain(fault, "keep a copy of", path) from fault
        return kept

    def keep_bytes(self, content: bytes, path: str) -> str:
        """Keep `content`, which came out of `path`, where only root reads it; returns where."""
        kept = f"{self.paths.saved}/{self.role}-{secrets.token_hex(8)}"
        new = NewFile(kept, lambda: iter((content,)), Attributes("0", "0", 0o600), private=True)
        try:
            write_file(new, PlainPlatform())
        except HostError as fault:
            raise HostError(
                f"cannot keep a copy of {path}: {fault.message}", hint=fault.hint, fatal=True
            ) from fault
        return kept

    def forget(self, before: dict[str, Any]) -> None:
        """Remove the saved copy that `before` names, once it is of no further use."""
        kept = before.get("saved")
        if isinstance(kept, str) and kept.startswith(f"{self.paths.saved}/") and os.path.lexists(kept):
            os.unlink(kept)

    def restore(self, path: str, before: dict[str, Any], platform: Platform) -> None:
        """Put the saved copy of a file back to `path` with the owner and mode it had."""
        kept = str(before["saved"])
        if not kept.startswith(f"{self.paths.saved}/"):
            raise HostError(f"the receipt names {kept} as the copy of {path}, which is not a copy of ours")

        def chunks() -> Any:
            with open(kept, "rb") as stream:
                yield from iter(lambda: stream.read(1 << 20), b"")

        if not os.path.lexists(kept):
            raise HostError(f"the copy of {path} from before us is gone ({kept}); {path} was left as it is")
        attributes = Attributes(str(before["uid"]), str(before["gid"]), int(before["mode"], 8))
        write_file(NewFile(path, chunks, attributes, Expected(), private=True), platform)

    def quarantine(self, path: str, run: str) -> str:
        """Move a file, link or directory out of the way; returns where it is now."""
        parent, name = split(path)
        kept = f"{self.paths.quarantine}/{run}-{secrets.token_hex(4)}-{name}"
        with open_directory(parent) as directory, open_directory(self.paths.quarantine) as shelf:
            try:
                os.rename(name, split(kept)[1], src_dir_fd=directory.descriptor, dst_dir_fd=shelf.descriptor)
            except OSError:
                status = directory.lstat(name)
                if file_type(status) != "file":
                    raise HostError(
                        f"{path} is not ours and cannot be moved to {self.paths.quarantine}, "
                        "which is on another file system",
                        hint=f"move {path} away by hand",
                    ) from None
                before = self.snapshot(path, sensitive=True)
                os.rename(before["saved"], kept)
                os.unlink(name, dir_fd=directory.descriptor)
            directory.sync()
        return kept


def owners(paths: HostPaths) -> dict[str, str]:
    """Return which role owns which path on this host, from all receipts that can be read."""
    owned: dict[str, str] = {}
    try:
        names = os.listdir(paths.receipts)
    except OSError:
        return owned
    for name in sorted(names):
        role, dot, suffix = name.rpartition(".")
        if not dot or suffix != "json" or role.startswith("."):
            continue
        receipt = Store(paths, role).load()
        owned.update({entry.name: role for entry in receipt.entries if entry.name.startswith("/")})
    return owned
