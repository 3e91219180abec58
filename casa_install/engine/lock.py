"""One run at a time per site: an advisory lock that lasts as long as any process of the run.

Two files are locked with flock(2). The *command's* lock is held by casa-install and says who it is; the
*processes'* lock is taken by the supervisor and inherited by ansible-playbook and its workers, so a run whose
casa-install was killed still keeps others out until its last process has ended. ssh does not inherit it
(Ansible closes descriptors when it starts ssh), so persistent connections do not prolong it.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.engine.rundir import make_private, state_home
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Args:
        host: The computer on which casa-install runs.
        pid: Its process id there.
        user: The login name.
        verb: What it does, such as `apply`.
        since: Time of day with zone, ISO 8601.
    """

    host: str
    pid: int
    user: str
    verb: str
    since: str

    def __str__(self) -> str:
        return f"`casa-install {self.verb}` of {self.user} on {self.host}, pid {self.pid}, since {self.since}"


def lock_key(inventories: Sequence[str]) -> str:
    """Return the name of a site's lock.

    The order of inventories does not matter, and a file stands for the directory in which it lies, so that
    `-i lab` and `-i lab/hosts.yml` are one site.
    """
    places = set()
    for inventory in inventories:
        path = Path(inventory)
        if not path.exists():
            places.add(inventory)
            continue
        resolved = path.resolve()
        places.add(str(resolved if resolved.is_dir() else resolved.parent))
    return hashlib.sha256("\0".join(sorted(places)).encode()).hexdigest()[:24]


@contextlib.contextmanager
def site_lock(inventories: Sequence[str], verb: str) -> Iterator[Path]:
    """Hold a site's lock and yield the path of the processes' lock, which the supervisor takes.

    Raises:
        CasaError: Another run holds it; the message names the holder. Nothing was done.
    """
    directory = make_private(state_home() / "locks")
    key = lock_key(inventories)
    command, processes = directory / f"{key}.lock", directory / f"{key}.processes"
    descriptor = os.open(command, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _try_lock(descriptor):
            raise _held(descriptor, inventories, orphaned=False)
        if not _is_free(processes):
            raise _held(descriptor, inventories, orphaned=True)
        _write_holder(descriptor, verb)
        yield processes
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(path: Path) -> bool:
    """Tell whether no process holds a lock, without keeping it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return _try_lock(descriptor)
    finally:
        os.close(descriptor)


def wait_until_free(processes: Path, seconds: float) -> bool:
    """Wait until no process of a run is left; tell whether that came to be within a time in seconds."""
    deadline = time.monotonic() + seconds
    while not (free := _is_free(processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return free


def _write_holder(descriptor: int, verb: str) -> None:
    since = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in some containers
        user = str(os.getuid())
    holder = Holder(socket.gethostname(), os.getpid(), user, verb, since)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _held(descriptor: int, inventories: Sequence[str], *, orphaned: bool) -> CasaError:
    try:
        who = str(Holder(**json.loads(os.pread(descriptor, 4096, 0))))
    except (ValueError, TypeError):
        who = "another casa-install that has just started"
    site = ", ".join(inventories)
    if orphaned:
        return CasaError(
            f"The last run on {site} was killed and its Ansible processes have not ended yet ({who}).",
            hint="They end by themselves within seconds; then give the same command again.",
            exit_code=ExitCode.FAILED,
        )
    return CasaError(
        f"Another run works on {site}: {who}.",
        hint="Wait until it has ended, or stop it there with Ctrl-C; `casa-install runs list` shows it.",
        exit_code=ExitCode.FAILED,
    )
