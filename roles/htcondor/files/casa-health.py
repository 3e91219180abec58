#!/usr/bin/python3
"""Whether this execution point should take new jobs, as ClassAd attributes for the startd's cron.

Every check has a time limit: a child process that hangs on a dead file system is left behind, not waited for.
Runs under the system's own Python (3.9 or newer) with its standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MIB = 1024 * 1024


class Result(NamedTuple):
    """What is wrong, and what could not be looked at; both empty for a good check."""

    fault: str = ""
    skipped: str = ""


class Check(NamedTuple):
    """One check: what it is about, and the function that makes it."""

    name: str
    look: Callable[[], Result]


def scratch(path: str, least_mib: int, least_inodes: int) -> Result:
    """Free space (MiB, as an account other than root sees it) and inodes of the jobs' file system."""
    found = os.statvfs(path)
    if found.f_flag & os.ST_RDONLY:
        return Result("it is mounted read-only")
    free = found.f_bavail * found.f_frsize // MIB
    if free < least_mib:
        return Result(f"{free} MiB are free, {least_mib} are needed")
    # File systems without a fixed number of inodes, btrfs for one, say 0.
    if found.f_files and found.f_favail < least_inodes:
        return Result(f"{found.f_favail} inodes are free, {least_inodes} are needed")
    return Result()


def mount(path: str) -> Result:
    """Whether a file system is mounted there, or above it but below `/`, and can be listed."""
    # Listing comes first: it makes an automounter mount.
    with os.scandir(path) as entries:
        next(entries, None)
    if Path(path).stat().st_dev != Path("/").stat().st_dev or os.path.ismount(path):
        return Result()
    points = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    if path in (line.split()[4] for line in points):
        return Result()
    return Result("nothing is mounted there")


def name(host: str) -> Result:
    """Whether a host's name has an address."""
    socket.getaddrinfo(host, None)
    return Result()


def clock(most_seconds: float) -> Result:
    """Whether the clock is kept right: by chrony's own figures, else by what systemd says."""
    tracking = _output("chronyc", "-n", "-c", "tracking").split(",")
    if len(tracking) == 14:  # refid,name,stratum,time,offset,...,leap status
        offset = abs(float(tracking[4]))
        if tracking[13] == "Not synchronised":
            return Result("chrony is not synchronised")
        return Result(f"chrony sees it off by {offset:.3f} s" if offset > most_seconds else "")
    shown = dict(
        line.partition("=")[::2]
        for line in _output("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized").splitlines()
    )
    if shown.get("NTP") != "yes":
        return Result(skipped="no time service of this host can be asked")
    return Result("" if shown.get("NTPSynchronized") == "yes" else "systemd says that it is not synchronised")


def _output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


class _Child(NamedTuple):
    check: Check
    pid: int
    pipe: int


def _started(check: Check) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(check, pid, reading)
    # Below here is the child. It must not hold the startd's pipe open when it is left behind.
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        try:
            result = check.look()
        except (OSError, ValueError) as fault:
            result = Result(getattr(fault, "strerror", None) or str(fault))
        os.write(writing, json.dumps(result).encode())
        status = 0
    finally:
        os._exit(status)


def _collected(child: _Child, deadline: float) -> Result:
    ready, _, _ = select.select([child.pipe], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        return Result("no answer in time")
    answer = os.read(child.pipe, 65536)
    os.waitpid(child.pid, 0)
    return Result(*json.loads(answer)) if answer else Result("the check itself failed")


def run(checks: Iterable[Check], seconds: float) -> dict[str, Result]:
    """Make all checks side by side and return their results by name, after `seconds` at the latest."""
    deadline = time.monotonic() + seconds
    children = [_started(check) for check in checks]
    return {child.check.name: _collected(child, deadline) for child in children}


def attributes(results: dict[str, Result]) -> str:
    """Return the results as the attributes of an ad, one a line, with the line that ends it."""
    faults = "; ".join(f"{what}: {result.fault}" for what, result in results.items() if result.fault)
    skipped = "; ".join(f"{what}: {result.skipped}" for what, result in results.items() if result.skipped)
    return "\n".join(
        [
            f"CasaHealthy = {'false' if faults else 'true'}",
            f"CasaHealthReason = {_quoted(faults or 'ok')}",
            f"CasaHealthSkipped = {_quoted(skipped)}",
            f"CasaHealthCheckedAt = {int(time.time())}",
            # At once: the pool would otherwise hear of it with the next update, minutes later.
            "- update:true",
        ]
    )


def _quoted(text: str) -> str:
    """A ClassAd string; ClassAds escape backslash and quote like C, and take no raw control characters."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checks(arguments: Sequence[str]) -> tuple[list[Check], float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="limit of all checks together")
    parser.add_argument("--scratch", required=True, help="the jobs' directory (EXECUTE)")
    parser.add_argument("--scratch-mib", type=int, default=0)
    parser.add_argument("--scratch-inodes", type=int, default=0)
    parser.add_argument("--clock-seconds", type=float, default=1, help="largest offset of the clock")
    parser.add_argument("--name", action="append", default=[], help="a host name that must resolve")
    parser.add_argument("--mount", action="append", default=[], help="a directory that must be mounted")
    given = parser.parse_args(arguments)
    checks = [
        Check("scratch", lambda: scratch(given.scratch, given.scratch_mib, given.scratch_inodes)),
        Check("clock", lambda: clock(given.clock_seconds)),
        *(Check(f"name {host}", lambda host=host: name(host)) for host in given.name),  # type: ignore[misc]
        *(Check(f"mount {path}", lambda path=path: mount(path)) for path in given.mount),  # type: ignore[misc]
    ]
    return checks, given.seconds


def main(arguments: Sequence[str]) -> int:
    """Print the attributes. Ends with 0 however the host is: the startd reads the words, not the status."""
    checks, seconds = _checks(arguments)
    print(attributes(run(checks, seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
