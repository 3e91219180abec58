"""Faults on the host that a person can act on."""

from __future__ import annotations

import errno


class HostError(Exception):
    """One thing could not be done; the others may go on.

    Args:
        message: What happened, with the path or name it happened to.
        hint: The way round, if one is known.
        fatal: Nothing after it can succeed either (a full disk), so the batch stops.
    """

    def __init__(self, message: str, *, hint: str = "", fatal: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fatal = fatal


def errno_of(fault: BaseException) -> int:
    """Return the error number behind `fault`, also where Ansible wrapped it; 0 if there is none."""
    seen: set[int] = set()
    current: BaseException | None = fault
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, OSError) and current.errno:
            return current.errno
        current = current.__cause__ or current.__context__
    return 0


def explain(fault: BaseException, doing: str, path: str) -> HostError:
    """Turn an operating system's error into a sentence about `path`.

    Args:
        fault: The exception caught.
        doing: What was tried, as in "write" or "remove".
        path: The path it was tried on.

    Returns:
        An error to raise; fatal where a full disk or a read-only file system stops everything else too.
    """
    number = errno_of(fault)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return HostError(
            f"no space left on the file system of {path}; it was left as it was",
            hint=f"free space there (df {_parent(path)}), then run the same command again",
            fatal=True,
        )
    if number == errno.EROFS:
        return HostError(f"{path} is on a read-only file system", hint="remount it read-write", fatal=True)
    if number == errno.EBUSY:
        return HostError(
            f"cannot {doing} {path}: it is a mount point (a bind mount?), which cannot be replaced",
            hint=f"unmount {path}, or change the file that is mounted there at its source",
        )
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    return HostError(f"cannot {doing} {path}: {reason}")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
