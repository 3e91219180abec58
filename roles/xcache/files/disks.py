"""The disks that the role mounts.

`look` DEVICE PATH ... prints what is on each and where it is mounted, as JSON. It reads only.

`format` DEVICE NUMBER FILESYSTEM [SIGNATURE ...] makes a file system on a disk that still is what the
preflight judged: the device of that number, with just those signatures, in nobody's use. Any other is left
alone.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(*command: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program of the system's own, with its output."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=check)


def mounts(text: str) -> list[tuple[str, str, str]]:
    """Read a mountinfo, proc(5): path, number of the device, type; what was mounted last comes last."""
    found = []
    for line in text.splitlines():
        own, _, rest = line.partition(" - ")
        words = own.split(" ")
        path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[4])
        found.append((path, words[2], rest.split(" ")[0]))
    return found


def signatures(device: str) -> list[str] | None:
    """Return the kinds of all that says of itself that it is on the device; None where that cannot be told.

    Two programs must agree that there is nothing: it is what formatting hangs on.
    """
    listed = run("wipefs", "--no-act", "--noheadings", "--output", "TYPE", device)
    probed = run("blkid", "--probe", "--output", "export", device)
    kinds = sorted(set(listed.stdout.split()))
    # 2: nothing is there, 8: more than one thing is.
    if listed.returncode != 0 or probed.returncode not in (0, 2, 8):
        return None
    if (probed.returncode == 2) != (not kinds):
        return None
    return kinds


def busy(device: str) -> bool:
    """Whether the kernel has given the device to somebody: a mount, LVM, RAID, swap, a partition of it."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError as fault:
        if fault.errno == errno.EBUSY:
            return True
        raise
    return False


def device_number(status: os.stat_result) -> str:
    """Return a device's number as mountinfo writes it."""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def rotational(number: str) -> bool:
    """Whether it turns, as the kernel says. A partition has no queue of its own; its disk has."""
    directory = Path("/sys/dev/block", number).resolve()
    for parent in (directory, directory.parent):
        try:
            return (parent / "queue" / "rotational").read_text().strip() == "1"
        except OSError:
            continue
    return False


def content(path: Path) -> bool:
    """Whether something is at the path that a mount would hide."""
    return any(path.iterdir()) if path.is_dir() else os.path.lexists(path)


def look(device: str, path: str, mounted: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Return one disk as it is."""
    over = [(number, kind) for place, number, kind in mounted if place == path]
    found: dict[str, Any] = {
        "device": device,
        "path": path,
        "state": "block",
        # Of a package that dpkg holds for essential, so that no role could take it away again.
        "ext4_tools": shutil.which("mkfs.ext4") is not None,
        "mounted": over[-1][1] if over else "",
        "content": not over and content(Path(path)),
    }
    try:
        status = Path(device).stat()
        if not stat.S_ISBLK(status.st_mode):
            return {**found, "state": "no block device"}
        number = device_number(status)
        found.update(
            number=number,
            ours=bool(over) and over[-1][0] == number,
            rotational=rotational(number),
            elsewhere=sorted({place for place, other, _ in mounted if other == number and place != path}),
            signatures=signatures(device),
            busy=busy(device),
        )
    except OSError as fault:
        found["state"] = fault.strerror
    return found


def make(device: str, number: str, filesystem: str, judged: list[str]) -> None:
    """Format one disk.

    Raises:
        SystemExit: It is not what was judged, and nothing was written; or the tools' own fault.
    """
    alone = f"{device} was left alone"
    try:
        # Held: nobody else gets it meanwhile. It fails where somebody has it.
        held = os.open(device, os.O_RDWR | os.O_EXCL)
    except OSError as fault:
        sys.exit(f"{alone}: {fault.strerror}")
    status = os.fstat(held)
    if not stat.S_ISBLK(status.st_mode) or device_number(status) != number:
        sys.exit(f"{alone}: it is another disk than the one that was looked at")
    seen = signatures(device)
    if seen != judged:
        sys.exit(f"{alone}: it held {judged} when it was looked at, and {seen} now")
    if seen:
        # Without --force it keeps a table of partitions on what it takes for a partition; with it, it does
        # not ask whether the disk is in use: our hold sees to that.
        run("wipefs", "--all", "--force", "--quiet", device, check=True)
        if signatures(device) != []:
            sys.exit(f"{device}: wipefs did not clear it")
    os.close(held)
    if seen:
        # Forgets partitions that are gone; a disk that had none refuses.
        run("blockdev", "--rereadpt", device)
    # Both take the disk for themselves alone again.
    run({"xfs": "mkfs.xfs", "ext4": "mkfs.ext4"}[filesystem], "-q", device, check=True)


def main(verb: str, words: list[str]) -> None:
    """Do what the arguments say."""
    if verb == "format":
        make(words[0], words[1], words[2], words[3:])
        return
    mounted = mounts(Path("/proc/self/mountinfo").read_text())
    pairs = [words[index : index + 2] for index in range(0, len(words), 2)]
    print(json.dumps([look(device, path, mounted) for device, path in pairs]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
