"""What a cache does with the disks that it is given, from what the role's `disks.py` printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DISK_FILE_SYSTEMS = ("xfs", "ext4")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9._:/+=@-]+")
_PATH = re.compile(r"/[A-Za-z0-9._/-]+")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk as the site wants it and as it is.

    Attributes:
        device: What the site calls it.
        path: Where it is mounted.
        filesystem: What shall be on it, `xfs` or `ext4`.
        number: Number of the device, major:minor; empty where there is no block device.
        signatures: Kinds of what is on it.
        ready: The file system that is wanted is there.
        mounted: It is mounted at `path`.
        rotational: It turns.
        finding: Why the role leaves it alone, and what the administrator can do; empty where it does not.
    """

    device: str
    path: str
    filesystem: str
    number: str = ""
    signatures: tuple[str, ...] = ()
    ready: bool = False
    mounted: bool = False
    rotational: bool = False
    finding: str = ""

    @property
    def to_format(self) -> bool:
        """Whether a file system is made on it."""
        return not self.ready and not self.finding


def mount_unit(path: str) -> str:
    """Return the name of the unit that mounts at `path`, as `systemd-escape --path --suffix=mount` does."""
    words = "/".join(word for word in path.split("/") if word)
    escaped = "".join(
        "-"
        if letter == "/"
        else letter
        if re.fullmatch(r"[A-Za-z0-9:_]", letter) or (letter == "." and index > 0)
        else "".join(f"\\x{byte:02x}" for byte in letter.encode())
        for index, letter in enumerate(words)
    )
    return f"{escaped}.mount"


def disk_setting_findings(disks: Sequence[Mapping[str, Any]], to_format: Sequence[str]) -> list[str]:
    """Say what cannot work in `xcache_disks` and `xcache_format_disks`."""
    return list(_settings(disks, to_format))


def judged_disks(
    disks: Sequence[Mapping[str, Any]], to_format: Sequence[str], look: Sequence[Mapping[str, Any]]
) -> list[Disk]:
    """Decide about each disk.

    Args:
        disks: `xcache_disks`.
        to_format: `xcache_format_disks`.
        look: What `disks.py` printed of them, in the same order.
    """
    judged: list[Disk] = []
    for wanted, found in zip(disks, look, strict=True):
        disk = _judged(wanted, found, named=str(wanted["device"]) in to_format)
        twin = next((other for other in judged if other.number and other.number == disk.number), None)
        if twin is not None and not disk.finding:
            finding = f"xcache_disks: {disk.device} and {twin.device} are one disk: keep one of the two"
            disk = Disk(disk.device, disk.path, disk.filesystem, disk.number, finding=finding)
        judged.append(disk)
    return judged


def _settings(disks: Sequence[Mapping[str, Any]], to_format: Sequence[str]) -> Iterator[str]:
    devices = [str(disk["device"]) for disk in disks]
    paths = [str(disk["path"]) for disk in disks]
    for device in devices:
        if not _DEVICE.fullmatch(device) or ".." in device.split("/"):
            yield f"xcache_disks: `{device}` must be a device, best one of /dev/disk/by-id"
        if devices.count(device) > 1:
            yield f"xcache_disks: {device} is there twice"
    for path in paths:
        shortest = all(word not in ("", ".", "..") for word in path.split("/")[1:])
        if not _PATH.fullmatch(path) or not shortest:
            yield f"xcache_disks: `{path}` must be an absolute path below /, without `..`"
        for other in paths:
            if path.startswith(f"{other}/"):
                yield f"xcache_disks: {path} is below {other}, which is a disk of its own"
        if paths.count(path) > 1:
            yield f"xcache_disks: {path} is there twice"
    for device in to_format:
        if device not in devices:
            yield (
                f"xcache_format_disks: {device} is no device of xcache_disks: both must call "
                "the disk by the same name"
            )


def _judged(wanted: Mapping[str, Any], found: Mapping[str, Any], *, named: bool) -> Disk:
    device, path = str(wanted["device"]), str(wanted["path"])
    filesystem = str(wanted.get("filesystem") or DISK_FILE_SYSTEMS[0])
    signatures = tuple(found.get("signatures") or ())
    mounted = bool(found.get("ours")) and found["mounted"] == filesystem
    return Disk(
        device,
        path,
        filesystem,
        number=str(found.get("number", "")),
        signatures=signatures,
        ready=mounted or signatures == (filesystem,),
        mounted=mounted,
        rotational=bool(found.get("rotational")),
        finding="" if mounted else _finding(found, filesystem, signatures, named=named),
    )


def _finding(found: Mapping[str, Any], filesystem: str, signatures: tuple[str, ...], *, named: bool) -> str:
    device, path = found["device"], found["path"]
    untouched = "nothing on it was touched"
    if found["state"] != "block":
        return (
            f"xcache_disks: {device}: {found['state']}: a cache's disk must be a block device of this host\n"
            "  fix: take its name from `ls -l /dev/disk/by-id` there"
        )
    places = [path] if found["ours"] else []
    if places or found["elsewhere"]:
        return (
            f"xcache_disks: {device} is mounted at {', '.join([*places, *found['elsewhere']])}"
            f"{' as ' + found['mounted'] if places else ''}: a disk in use is never formatted "
            f"nor mounted twice; {untouched}\n"
            "  fix: where that is not needed any more, unmount it and take it out of /etc/fstab"
        )
    if found["busy"]:
        return (
            f"xcache_disks: {device} is in use (swap, LVM, RAID, or one of its partitions), and it holds "
            f"{', '.join(signatures) or 'no signature'}: a disk in use is never formatted; {untouched}\n"
            f"  fix: another disk, or end that use of it; `lsblk {device}` shows it"
        )
    if found["mounted"]:
        return (
            f"xcache_disks: another file system ({found['mounted']}) is mounted at {path}, where {device} "
            f"is wanted; {untouched}\n"
            f"  fix: another path, or unmount that; `findmnt {path}` shows it"
        )
    if found["content"]:
        return (
            f"xcache_disks: {path} is no empty directory: what is in it would be hidden by {device}\n"
            "  fix: another path, or move that away"
        )
    if found.get("signatures") is None:
        return (
            f"xcache_disks: what is on {device} cannot be told: `wipefs` and `blkid --probe` failed on it or "
            f"contradict each other; {untouched}\n"
            f"  fix: look at `wipefs {device}` and `blkid --probe {device}` on the host"
        )
    if signatures and signatures != (filesystem,) and not named:
        return (
            f"xcache_disks: {device} is not blank and holds no {filesystem} alone, but: "
            f"{', '.join(signatures)}. Formatting would destroy what is on it; {untouched}\n"
            f"  fix: another disk, or `filesystem:` as it is there; `wipefs {device}` shows all of it\n"
            f"  skip: xcache_format_disks: [{device}] destroys what is on it"
        )
    if signatures != (filesystem,) and filesystem == "ext4" and not found["ext4_tools"]:
        return (
            f"xcache_disks: {device} is to get ext4, but this host has no mkfs.ext4\n"
            "  fix: install e2fsprogs, or take xfs, whose tools the role installs"
        )
    return ""
