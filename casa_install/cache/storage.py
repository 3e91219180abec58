"""Whether a host's file systems are fit for a cache, from what the role's `look.sh` printed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FILE_SYSTEMS = ("xfs", "ext4", "ext2/ext3")
"""The last is what stat(1) calls ext4. Others lack what the cache needs: extended attributes, holes, local
locks."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory and the file system that it is on.

    Attributes:
        use: `data`, `metadata`, `namespace`, `root` or `execute`.
        path: The directory; it may not be there yet.
        device: Number of the device of the nearest directory above that exists.
        file_system: Its type.
        kibibytes: Its size.
    """

    use: str
    path: str
    device: str
    file_system: str
    kibibytes: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a host is before the role does anything."""

    places: tuple[Place, ...]
    version: str
    memory_mib: int
    rotational: bool
    forsaken: tuple[tuple[str, str, str], ...] = ()
    """Use, path and mount point of directories on a disk that the role mounted and is to mount no longer."""


def read_look(lines: Sequence[str], disks: Sequence[Mapping[str, Any]] = ()) -> Look:
    """Read what `look.sh` printed: tab-separated words, the first says what they are.

    Args:
        lines: What it printed.
        disks: `casa_install.cache.disks.Disk` of each disk that the role mounts, as mappings. A
            directory below one that is not mounted yet is judged as on that disk already.
    """
    places, version, memory, rotational = [], "", 0, False
    forsaken, kept = [], {str(disk["path"]) for disk in disks}
    for line in lines:
        key, *words = line.split("\t")
        if key == "place" and len(words) == 5:
            place = Place(words[0], words[1], words[2], words[3], int(words[4] or 0))
            disk = _disk_above(place.path, disks)
            if disk is not None and not disk["mounted"]:
                place = replace(place, device=f"disk {disk['device']}", file_system=disk["filesystem"])
            if disk is not None and place.use == "data":
                rotational = rotational or disk["rotational"]
            places.append(place)
        elif key == "on" and len(words) == 3 and words[0] != "execute" and words[2] not in kept:
            forsaken.append((words[0], words[1], words[2]))
        elif key == "version":
            version = words[0]
        elif key == "memory":
            memory = int(words[0] or 0) // 1024
        elif key == "rotational" and _disk_above(words[-1], disks) is None:
            rotational = rotational or words[0] == "1"
    return Look(tuple(places), version, memory, rotational, tuple(forsaken))


def _disk_above(path: str, disks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((disk for disk in disks if f"{path}/".startswith(f"{disk['path']}/")), None)


def storage_findings(look: Look, shared_device: bool) -> list[str]:
    """Say where a cache must not be.

    Args:
        look: The host.
        shared_device: The site has decided that the cache may share a device with `/` or with jobs.
    """
    return list(_findings(look, shared_device))


def _findings(look: Look, shared_device: bool) -> Iterator[str]:
    for use, path, target in look.forsaken:
        yield (
            f"xcache_{use}: {path} is on the disk at {target}, which is gone from xcache_disks: unmounting "
            "it would stop the cache\n"
            "  fix: first take the directory away and restart the cache, or name the disk again"
        )
    others = {place.device: place for place in look.places if place.use in ("root", "execute")}
    caches = [place for place in look.places if place.use in ("data", "metadata", "namespace")]
    for place in caches:
        if place.file_system not in FILE_SYSTEMS:
            yield (
                f"xcache_{place.use}: {place.path} is on {place.file_system}: a cache needs xfs or ext4 on "
                "a disk "
                "of this host\n"
                f"  fix: mkfs.xfs on a disk of its own, mounted above {place.path}"
            )
        if place.use != "data" or shared_device:
            continue
        if (other := others.get(place.device)) is not None:
            whose = "the system's own `/`" if other.use == "root" else f"HTCondor's jobs ({other.path})"
            yield (
                f"xcache_data: {place.path} shares a device with {whose}: what fills one empties the other, "
                "and "
                "the cache removes its files because of somebody else's\n"
                f"  fix: a disk of its own, mounted above {place.path}\n"
                "  skip: xcache_shared_device: true"
            )
