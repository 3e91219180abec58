"""The process between casa-install and ansible-playbook; started as a script, standard library only.

It exists for four things that ansible-runner cannot do, because it starts its child on a pseudo terminal
with every descriptor closed, and ends it by SIGKILL to one process group:

- The lock of the run is held by ansible-playbook and its workers, so it lasts as long as any of them.
- ansible-playbook's workers leave its process group (`os.setsid` in `WorkerProcess._detach`); ended here
  is every descendant, which the kernel hands back to this process as their subreaper.
- casa-install killed by SIGKILL is noticed at once (its end of the pipe closes), and Ansible is ended.
- The environment, which may hold an admin's secrets, comes through the pipe instead of ansible-runner's
  `command` file.

Arguments: the path of a named pipe. Its first line is a JSON object with `argv`, `env`, `cwd`, `lock`
(path) and `scratch` (a directory removed at the end); each further line is an order, `stop` or `kill`.
The exit status is that of ansible-playbook; 128+n where signal n ended it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
"""linux/prctl.h"""

GRACE = 15.0
"""Seconds that ansible-playbook gets to end by itself after `stop`."""

LOCK_PATIENCE = 10.0
"""Seconds to wait for a dying predecessor's lock."""

CANNOT_LOCK = 75
"""EX_TEMPFAIL of sysexits(3): another run's processes still hold the lock."""


class _Orders:
    """The reading end of the pipe: whole lines, and whether the writer still lives."""

    def __init__(self, path: str) -> None:
        # Without O_NONBLOCK the call would wait for ever where casa-install died before it.
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.ended = False
        self._buffer = b""

    def read(self, timeout: float) -> list[bytes]:
        """Return the lines that arrived within a time in seconds; `ended` says that there will be no more."""
        readable, _, _ = select.select([self.descriptor], [], [], timeout)
        if readable:
            try:
                data = os.read(self.descriptor, 1 << 20)
            except BlockingIOError:
                return []
            self.ended = not data
            self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        return lines

    def first(self) -> bytes | None:
        """Return the first line, or None where the writer went away or changed its mind before the run."""
        while not self.ended:
            if lines := self.read(1.0):
                return lines[0] if len(lines) == 1 else None
        return None


def _lock(path: str) -> int | None:
    """Take the lock of the run's processes and return its descriptor, which children inherit."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
        else:
            return descriptor


def _descendants() -> list[int]:
    """Return the process ids of everything below this process that still runs."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The command's name is in parentheses and may hold blanks; state and parent follow it.
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found = [os.getpid()]
    for ancestor in found:
        found += [pid for pid, parent in parents.items() if parent == ancestor]
    return found[1:]


def _kill_descendants() -> None:
    """End every descendant; ssh's persistent connections among them, so that hosts see us gone."""
    while pids := _descendants():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _supervise(child: subprocess.Popen[bytes], orders: _Orders) -> None:
    """Wait for ansible-playbook to end, or end it on an order or where casa-install died."""
    deadline: float | None = None
    while child.poll() is None:
        lines = orders.read(0.1)
        if orders.ended or b"kill" in lines or (deadline is not None and time.monotonic() > deadline):
            _kill_descendants()
        elif b"stop" in lines and deadline is None:
            deadline = time.monotonic() + GRACE
            child.send_signal(signal.SIGINT)


def main(pipe: str) -> int:
    """Run what the pipe's first line says and return the exit status."""
    orders = _Orders(pipe)
    first = orders.first()
    if first is None:
        return 1
    order = json.loads(first)
    lock = _lock(order["lock"])
    if lock is None:
        return CANNOT_LOCK
    # Only now: while casa-install lives, its own lock keeps any other run out, and from here ours does.
    late = orders.read(0)
    if orders.ended or late:
        return 1
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(
        order["argv"],
        env=order["env"],
        cwd=order["cwd"],
        pass_fds=(lock,),
        # Should this process be killed, Ansible still ends its workers as on Ctrl-C. One thread: no deadlock.
        preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0),
    )
    try:
        _supervise(child, orders)
    finally:
        status = child.wait()
        if status < 0 or orders.ended:
            _kill_descendants()
        if orders.ended:
            shutil.rmtree(order["scratch"], ignore_errors=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # The terminal's hang-up and the keyboard reach casa-install, which decides what they mean. SIGINT and
    # SIGTERM get a handler, not SIG_IGN, which ansible-playbook would inherit.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    sys.exit(main(sys.argv[1]))
