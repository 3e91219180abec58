"""Which versions of XRootD a cache may run; the table is `versions.yml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said about a version.

    Attributes:
        refused: Why it must not run; empty for one that may.
        warning: What to know about one that may.
        disk_checksums: Whether the cache can check its own pages on disk.
    """

    refused: str = ""
    warning: str = ""
    disk_checksums: bool = False


def judge_version(version: str) -> Judgement:
    """Judge a version.

    Args:
        version: As a package or `xrootd -v` gives it: an epoch before and a revision behind are left out.
        Empty     where it is not known yet.
    """
    if not version:
        return Judgement()
    table = _table()
    number = _number(version)
    plain = ".".join(map(str, number))
    if (refused := table["refused"].get(plain)) is not None:
        return Judgement(
            refused=f"XRootD {plain} must not run a cache: {refused['what']} ({refused['issue']}); "
            f"use {table['old']['below']} or newer"
        )
    old = table["old"]
    if number < _number(table["oldest"]):
        return Judgement(
            refused=f"XRootD {plain} is too old for this role, which needs {table['oldest']} or newer"
        )
    warning = ""
    if number < _number(old["below"]):
        warning = f"XRootD {plain} is older than {old['below']}: {old['what']} ({old['issue']})"
    return Judgement(warning=warning, disk_checksums=number >= _number(table["disk_checksums"]["from"]))


def _number(version: str) -> tuple[int, ...]:
    match = re.search(r"(?:^\d+:)?v?(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else (0, 0, 0)


@cache
def _table() -> dict[str, Any]:
    return dict(yaml.safe_load(Path(__file__).with_name("versions.yml").read_text(encoding="utf-8")))
