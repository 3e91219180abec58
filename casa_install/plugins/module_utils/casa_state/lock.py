"""One change at a time on a host, also where two admins start from two machines."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

from .errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_SECONDS = 0.2


@contextlib.contextmanager
def host_lock(path: str, holder: str, wait_seconds: float = 60.0) -> Iterator[None]:
    """Hold the host's lock, waiting for another holder to finish.

    The kernel frees the lock when its holder ends, however it ends (flock(2)).

    Args:
        path: The lock file.
        holder: Who we are, for the message that somebody else gets.
        wait_seconds: How long to wait.

    Raises:
        HostError: Somebody else still holds it; the message says who and since when.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _wait(descriptor, path, wait_seconds)
        record = json.dumps({"holder": holder, "pid": os.getpid(), "since": int(time.time())})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, record.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            if time.monotonic() >= deadline:
                raise HostError(
                    f"another casa-install is changing this host: {_holder(descriptor)}",
                    hint=f"wait for it to end, then run the same command again (the lock is {path})",
                ) from fault
            time.sleep(_POLL_SECONDS)
        else:
            return


def _holder(descriptor: int) -> str:
    try:
        record = json.loads(os.pread(descriptor, 4096, 0))
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(record["since"])))
        return f"{record['holder']}, process {int(record['pid'])}, since {since}"
    except (ValueError, KeyError, TypeError):
        return "its holder is not known"
