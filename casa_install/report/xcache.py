"""A site's caches as people and programs read them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.report.messages import labelled
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.health.xcache import Cache

_COLUMNS = (
    "cache",
    "version",
    "used",
    "inodes",
    "hits by bytes",
    "files open",
    "cert. days",
    "credential",
    "last probe",
)
_GB = 10**9


def caches_text(caches: Sequence[Cache]) -> str:
    """Return the table of caches and what they owe; empty where there is none."""
    if not caches:
        return ""
    parts = [table_text(Table("Caches", _COLUMNS, tuple(_row(cache) for cache in caches)))]
    parts += [labelled("Owed", f"{cache.name}: {text}") for cache in caches for text in cache.owed]
    return "\n".join(parts)


def caches_json(caches: Sequence[Cache]) -> dict[str, Any]:
    """Return caches by name for programs; docs/xcache.md names the keys."""
    return {cache.name: {k: v for k, v in asdict(cache).items() if k != "name"} for cache in caches}


def _row(cache: Cache) -> tuple[str, ...]:
    if cache.fault:
        return (cache.name, *("-" for _ in _COLUMNS[1:-1]), "not asked")
    size = sum(space.size for space in cache.spaces)
    used = sum(space.size * space.used for space in cache.spaces)
    inodes = [space.inodes for space in cache.spaces if space.inodes is not None]
    hits = "-" if cache.hit_ratio is None else f"{cache.hit_ratio:.0%} of {cache.bytes_read / _GB:.1f} GB"
    return (
        cache.name,
        cache.version,
        f"{used / size:.0%} of {size / _GB:.1f} GB" if size else "-",
        f"{max(inodes):.0%}" if inodes else "-",
        hits,
        f"{cache.descriptors[0]} of {cache.descriptors[1]}" if cache.descriptors else "-",
        "-" if cache.certificate_days is None else f"{cache.certificate_days:.0f}",
        "-" if cache.credential_seconds is None else f"{cache.credential_seconds / 60:.0f} min",
        _probe(cache),
    )


def _probe(cache: Cache) -> str:
    if cache.unit != "active":
        return cache.unit or "not installed"
    if cache.probe_age is None:
        return "not yet" if cache.watched_for is not None else "never"
    if cache.probe_fault:
        return "FAILED"
    if not cache.probe:
        return "nothing cached"
    return f"{cache.probe_seconds} s, {cache.probe_age:.0f} s ago"
