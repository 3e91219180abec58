"""Disks for the lab's machines: sparse images on this computer, attached as loop devices.

A formatted disk is mounted here, where podman runs, and handed to its machine as a volume: the machine sees
a file system of its own (device number, type and size are real). A disk without a file system reaches
its machine as a block device. `release` finds both again in the kernel's tables, so nothing
depends on how far an interrupted `lab up` came.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.lab.podman import Podman

FORMATS = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "none": [],
}
"""File system -> the command that makes it on an image; "none" leaves the disk empty."""

SIZE_UNITS = {"M": 1024**2, "G": 1024**3}
LOOPS = Path("/sys/block")


@dataclass(frozen=True)
class Disk:
    """A disk of a machine.

    Attributes:
        name: Its name in ``lab_disks``.
        size: Bytes.
        filesystem: A key of `FORMATS`.
        path: Where the machine has it: a mount point, or a device node for a disk without a file system.
    """

    name: str
    size: int
    filesystem: str
    path: str


def read_disks(machine: str, value: Any) -> tuple[Disk, ...]:
    """The disks that a machine's ``lab_disks`` names.

    Raises:
        CasaError: It is not what docs/lab.md describes; nothing was made.
    """
    if not isinstance(value, dict):
        raise _refusal(machine, "it must be a mapping: name -> size, path, filesystem")
    return tuple(_disk(machine, str(name), entry) for name, entry in value.items())


def _disk(machine: str, name: str, entry: Any) -> Disk:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise _refusal(machine, f"`{name}` is no name for a disk: small letters, digits, hyphens")
    if not isinstance(entry, dict) or not set(entry) <= {"size", "path", "filesystem"}:
        raise _refusal(machine, f"`{name}` must have `size`, and may have `path` and `filesystem`")
    size = re.fullmatch(r"([1-9][0-9]*)([MG])", str(entry.get("size", "")))
    if size is None:
        raise _refusal(machine, f"`{name}.size` must be a number with M or G, for example 2G")
    filesystem = str(entry.get("filesystem", "ext4"))
    if filesystem not in FORMATS:
        raise _refusal(machine, f"`{name}.filesystem` must be one of {', '.join(FORMATS)}")
    default = f"/dev/lab-{name}" if filesystem == "none" else f"/srv/{name}"
    path = str(entry.get("path", default))
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path):
        raise _refusal(machine, f"`{name}.path` must be an absolute path without blanks or colons")
    return Disk(name, int(size[1]) * SIZE_UNITS[size[2]], filesystem, path)


def _refusal(machine: str, reason: str) -> CasaError:
    return CasaError(
        f"`lab_disks` of the machine {machine}: {reason}",
        hint="docs/lab.md has an example",
        exit_code=ExitCode.USAGE,
    )


def attach(podman: Podman, directory: Path, disk: Disk) -> list[str]:
    """Make a disk and return podman's options that give it to a machine.

    Args:
        podman: Its mount namespace is where the disk is mounted.
        directory: The machine's directory for disks; made when missing.
        disk: The disk.

    Raises:
        CasaError: The image cannot be made, attached or mounted.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    image = directory / f"{disk.name}.img"
    if not image.exists():
        partial = image.with_suffix(".new")
        with partial.open("wb") as file:
            file.truncate(disk.size)
        if FORMATS[disk.filesystem]:
            _run([*FORMATS[disk.filesystem], str(partial)], disk)
        partial.rename(image)
    if disk.filesystem == "none":
        device = loop_device(image) or _run(["losetup", "--find", "--show", str(image)], disk)
        return ["--device", f"{device}:{disk.path}"]
    mount_point = directory / disk.name
    mount_point.mkdir(exist_ok=True)
    if str(mount_point) not in mounted(podman):
        # The loop device goes with its last mount.
        _run(podman.beside(["mount", "-o", "loop", str(image), str(mount_point)]), disk)
    return ["--volume", f"{mount_point}:{disk.path}"]


def mounted(podman: Podman) -> list[str]:
    """Mount points where podman runs, in the order of mounting (proc_pid_mountinfo(5))."""
    done = subprocess.run(
        podman.beside(["cat", "/proc/self/mountinfo"]), capture_output=True, text=True, check=True
    )
    return [line.split(" ")[4].encode().decode("unicode_escape") for line in done.stdout.splitlines()]


def loop_device(image: Path) -> str | None:
    """The loop device that an image is attached to (``backing_file`` in sysfs, loop(4))."""
    for entry in LOOPS.glob("loop*/loop/backing_file"):
        try:
            if entry.read_text(encoding="utf-8").strip() == str(image):
                return f"/dev/{entry.parents[1].name}"
        except OSError:
            # Detached since the listing.
            continue
    return None


def release(podman: Podman, directory: Path) -> None:
    """Unmount and detach every disk below a directory, whoever made it and however far that came.

    Raises:
        CasaError: One is still in use.
    """
    for mount_point in reversed(mounted(podman)):
        if Path(mount_point).is_relative_to(directory):
            _undo(podman.beside(["umount", mount_point]), mount_point)
    for image in directory.glob("*/*.img"):
        device = loop_device(image)
        if device is not None:
            _undo(["losetup", "--detach", device], str(image))


def _undo(argv: list[str], what: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CasaError(
            f"the lab's disk {what} is still in use: {done.stderr.strip()}",
            hint="end what uses it, then `casa-install lab down` again",
        )


def _run(argv: list[str], disk: Disk) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        packages = {"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs"}
        raise CasaError(
            f"the lab's disk `{disk.name}` needs {argv[0]}, which is not installed",
            hint=f"apt-get install {packages.get(argv[0], 'util-linux')}",
            exit_code=ExitCode.USAGE,
        ) from error
    if done.returncode != 0:
        raise CasaError(
            f"the lab's disk `{disk.name}` cannot be made: {done.stderr.strip()}",
            hint="the computer must have loop devices (/dev/loop-control), and this process CAP_SYS_ADMIN",
        )
    return done.stdout.strip()
