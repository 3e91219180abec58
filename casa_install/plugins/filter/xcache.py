"""Filters on a cache's settings. Thin; the work is in `casa_install.cache`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from casa_install.cache.disks import disk_setting_findings, judged_disks, mount_unit
from casa_install.cache.settings import setting_findings
from casa_install.cache.sizing import sizing
from casa_install.cache.storage import read_look, storage_findings
from casa_install.cache.versions import judge_version


def _disks(disks: Any, to_format: Any, look: str) -> list[dict[str, Any]]:
    # Before the first look nothing is known of them.
    found = json.loads(look)
    if len(found) != len(disks):
        return []
    return [
        {**asdict(disk), "unit": mount_unit(disk.path), "to_format": disk.to_format}
        for disk in judged_disks(disks, to_format, found)
    ]


def _look(lines: Any, disks: Any = ()) -> dict[str, Any]:
    return asdict(read_look(list(lines), disks))


def _sizing(options: dict[str, Any], memory_mib: int = 0) -> dict[str, Any]:
    return asdict(
        sizing(options["workload"], options["disk"], int(options["readers"]), int(memory_mib), options)
    )


def _storage(lines: Any, shared_device: bool, disks: Any = ()) -> list[str]:
    return storage_findings(read_look(list(lines), disks), shared_device)


def _version(version: str) -> dict[str, Any]:
    return asdict(judge_version(version))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "xcache_disk_setting_findings": disk_setting_findings,
            "xcache_disks": _disks,
            "xcache_look": _look,
            "xcache_sizing": _sizing,
            "xcache_setting_findings": setting_findings,
            "xcache_storage_findings": _storage,
            "xcache_version": _version,
        }
