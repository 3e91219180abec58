"""A site's caches as their hosts describe them: the objects behind `casa-install status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.health.thresholds import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DAY = 86400
MINUTE = 60
CERTIFICATE_DAYS = 14
"""Fewer days left of a host's certificate are a fault."""
CREDENTIAL_SECONDS = 300
"""A cache's own credential is renewed when half of its life is left; this little means that it was not."""
DESCRIPTORS = 0.8
FULL = 0.97
"""Part of a file system beyond every watermark that makes sense; of inodes, purging does not look at."""
INODES = 0.9


@dataclass(frozen=True, slots=True)
class Space:
    """One file system of a cache: parts in use, 0 to 1; `inodes` is None where they are not counted."""

    path: str
    size: int
    used: float
    inodes: float | None


@dataclass(frozen=True, slots=True)
class Cache:
    """One host with a cache.

    Attributes:
        name: In the inventory.
        version: XRootD's.
        unit: State of its unit.
        certificate_days: Until the host's certificate ends; None where it has none.
        stale_ports: Ports that still show an older certificate.
        credential_seconds: Until the cache's own token or proxy ends; None where it shows none to origins.
        spaces: Its file systems.
        hit_ratio: Part of the bytes read that came from its own disks, 0 to 1; None where nothing was read
        yet.
        bytes_read: Bytes that the ratio is made of.
        descriptors: Open files and how many there may be; None where it does not run.
        probe: Path that was read last as a test; empty where nothing is cached.
        watched_for: How long the probe's timer has been running, in seconds; None where it is not.
        probe_age, probe_seconds: How long ago that was and how long it took; None where it never was.
        probe_fault: Why it failed.
        checksum_errors: Pages that XRootD found changed.
        owed: What waits for a quiet moment.
        drift: Files of ours that somebody else changed or removed.
        fault: Why the host could not be asked.
    """

    name: str
    version: str = ""
    unit: str = ""
    certificate_days: float | None = None
    stale_ports: tuple[str, ...] = ()
    credential_seconds: float | None = None
    spaces: tuple[Space, ...] = ()
    hit_ratio: float | None = None
    bytes_read: int = 0
    descriptors: tuple[int, int] | None = None
    probe: str = ""
    watched_for: float | None = None
    probe_age: float | None = None
    probe_seconds: float | None = None
    probe_fault: str = ""
    checksum_errors: int = 0
    owed: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    fault: str = ""


def read_caches(
    answers: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], lost: Mapping[str, str]
) -> tuple[Cache, ...]:
    """Put together what hosts said of their caches.

    Args:
        answers: Host -> the objects that its programs printed; ours is under `xcache`.
        hosts: The hosts with a cache, in the inventory's order.
        lost: Host -> why it could not be asked.
    """
    return tuple(_cache(name, answers.get(name, {}).get("xcache"), lost.get(name, "")) for name in hosts)


def _cache(name: str, said: Mapping[str, Any] | None, lost: str) -> Cache:
    if said is None:
        return Cache(name, fault=lost or "it gave no answer")
    if not said["installed"]:
        return Cache(name, unit=said["unit"], fault=said["fault"])
    now = said["time"]
    watch, served = said.get("watch") or {}, said.get("served", {})
    probe, counted = watch.get("probe") or {}, watch.get("counted") or {}
    own = said.get("certificate", {})
    ends = [end for end in (said.get("token_ends"), said.get("proxy_ends")) if end is not None]
    read = sum(counted.get(key, 0) for key in ("hit", "missed", "bypassed"))
    files = watch.get("descriptors") or {}
    return Cache(
        name=name,
        version=said["version"],
        unit=said["unit"],
        certificate_days=(own["ends"] - now) / DAY if own.get("ends") else None,
        stale_ports=tuple(
            port for port, shown in served.items() if own.get("fingerprint") and shown != own["fingerprint"]
        ),
        credential_seconds=min(ends) - now if ends else None,
        spaces=tuple(_space(space) for space in watch.get("spaces", ())),
        hit_ratio=counted["hit"] / read if read else None,
        bytes_read=read,
        descriptors=(files["open"], files["limit"]) if files else None,
        probe=probe.get("path", ""),
        watched_for=now - said["watched_since"] if said.get("watched_since") else None,
        probe_age=now - watch["time"] if "time" in watch else None,
        probe_seconds=probe.get("seconds"),
        probe_fault=probe.get("fault", ""),
        checksum_errors=counted.get("checksum_errors", 0),
        owed=tuple(_owed(item) for item in said.get("owed", ())),
        drift=tuple(f"{item['path']} {item['what']}" for item in said.get("drift", ())),
    )


def _space(said: Mapping[str, Any]) -> Space:
    inodes = said["inodes"]
    return Space(
        path=said["path"],
        size=said["bytes"],
        used=1 - said["bytes_free"] / said["bytes"] if said["bytes"] else 0.0,
        inodes=1 - said["inodes_free"] / inodes if inodes else None,
    )


def _owed(item: Mapping[str, Any]) -> str:
    handler = str(item.get("handler", ""))
    if handler == "Restart XCache":
        return "needs a quiet moment: systemctl restart xrootd@casa"
    return handler


def find_in_caches(caches: Sequence[Cache]) -> list[Finding]:
    """Return what somebody should look at."""
    return [finding for cache in caches for finding in _find(cache)]


def _find(cache: Cache) -> Iterator[Finding]:
    name = cache.name
    if cache.fault:
        yield Finding(name, f"could not be asked about its cache: {cache.fault}")
        return
    if cache.unit != "active":
        yield Finding(
            name,
            f"xrootd@casa.service is {cache.unit or 'not there'}",
            "/var/log/xrootd/casa/xrootd.log and `journalctl -u xrootd@casa` on that host tell why",
        )
    if cache.certificate_days is not None and cache.certificate_days < CERTIFICATE_DAYS:
        yield Finding(name, f"its certificate ends in {cache.certificate_days:.0f} days", "renew it")
    if cache.stale_ports:
        ports = ", ".join(cache.stale_ports)
        yield Finding(
            name,
            f"shows another certificate than the host's own on port {ports}",
            "in a quiet moment, as root there: systemctl restart xrootd@casa",
        )
    if cache.credential_seconds is not None and cache.credential_seconds < CREDENTIAL_SECONDS:
        yield Finding(
            name,
            "what it shows to origins has ended or is about to",
            "`journalctl -u casa-xcache-credential` on that host tells why it was not renewed",
        )
    yield from _watched(cache)
    for space in cache.spaces:
        if space.used > FULL:
            yield Finding(name, f"{space.path} is {space.used:.0%} full: purging does not keep up")
        if space.inodes is not None and space.inodes > INODES:
            yield Finding(
                name,
                f"{space.path} has used {space.inodes:.0%} of its inodes, which purging does not look at",
                "lower xcache_low_watermark and xcache_high_watermark, or make the file system with more "
                "inodes",
            )
    for drift in cache.drift:
        yield Finding(name, drift, "casa-install plan shows the difference, apply puts it back")


def _unwatched(cache: Cache) -> bool:
    if cache.probe_age is not None:
        return cache.probe_age > 5 * MINUTE
    # A cache that has just been installed is looked at for the first time within the minute.
    return cache.watched_for is None or cache.watched_for > 2 * MINUTE


def _watched(cache: Cache) -> Iterator[Finding]:
    if cache.probe_fault:
        yield Finding(
            cache.name,
            f"cannot be read: {cache.probe_fault}",
            "a cache that hangs needs `systemctl restart xrootd@casa`; a file of its origin needs the origin",
        )
    elif _unwatched(cache):
        yield Finding(
            cache.name,
            "nobody watches it",
            "`systemctl status casa-xcache-watch.timer` on that host tells why",
        )
    if cache.checksum_errors:
        yield Finding(
            cache.name, f"{cache.checksum_errors} pages had changed on its disks", "look at the disks"
        )
    if cache.descriptors and cache.descriptors[0] > DESCRIPTORS * cache.descriptors[1]:
        opened, most = cache.descriptors
        yield Finding(cache.name, f"{opened} of at most {most} files are open", "raise xcache_open_files")
