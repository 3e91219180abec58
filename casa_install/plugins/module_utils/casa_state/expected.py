"""What a path should be like, and the second look at it just before it is changed."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import HostError

if TYPE_CHECKING:
    from .walk import Directory

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Attributes:
    """Owner and group as names or numbers, mode as permission bits; None leaves it as it is."""

    owner: str | None = None
    group: str | None = None
    mode: int | None = None

    @classmethod
    def of(cls, action: dict[str, Any]) -> Attributes:
        mode = action.get("mode")
        return cls(action.get("owner"), action.get("group"), None if mode is None else int(str(mode), 8))

    def numbers(self, path: str) -> tuple[int, int]:
        """Return uid and gid, -1 where unset, as chown(2) wants them.

        Raises:
            HostError: The host knows no such user or group.
        """
        return _number(self.owner, "user", path), _number(self.group, "group", path)


def _number(name: str | None, what: str, path: str) -> int:
    if name is None:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid if what == "user" else grp.getgrnam(name).gr_gid
    except KeyError as fault:
        if name.isdigit():
            return int(name)
        raise HostError(f"cannot set the {what} of {path}: the host knows no {what} {name!r}") from fault


@dataclass(frozen=True)
class Expected:
    """What the probe saw, which must still be there when the change is made.

    `inode` 0 and `ctime` 0 (seconds) mean "not compared". `sha256` is compared for regular files only.
    """

    type: str = "any"
    sha256: str = ""
    inode: int = 0
    ctime: int = 0

    @classmethod
    def of(cls, action: dict[str, Any]) -> Expected:
        return cls(**action.get("expect", {}))


def file_type(status: os.stat_result | None) -> str:
    """Name the type of what lstat(2) found, in the words of the receipts and of the probe."""
    if status is None:
        return "absent"
    for test, name in ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link")):
        if test(status.st_mode):
            return name
    return "special"


def digest(directory: Directory, name: str) -> str:
    """Return the sha256 of the regular file `name`, not following a link."""
    sha = hashlib.sha256()
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory.descriptor), "rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            sha.update(chunk)
    return sha.hexdigest()


def require_unchanged(
    directory: Directory, name: str, path: str, expected: Expected
) -> os.stat_result | None:
    """Look at `path` again: somebody may have edited it since the probe.

    Returns:
        What is there now.

    Raises:
        HostError: It is not what was expected, and was therefore left alone.
    """
    status = directory.lstat(name)
    found = file_type(status)
    same = expected.type in ("any", found)
    if same and status is not None and expected.inode:
        same = status.st_ino == expected.inode
    if same and status is not None and expected.ctime:
        same = int(status.st_ctime) == expected.ctime
    if same and found == "file" and expected.sha256:
        same = digest(directory, name) == expected.sha256
    if not same:
        raise HostError(
            f"{path} was edited while casa-install was at work; it was left as it is",
            hint="run the same command again: it looks at the file anew",
        )
    return status
