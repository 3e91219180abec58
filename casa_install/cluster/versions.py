"""Versions of k3s and what each can do; the table is `releases.yml`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXACT = re.compile(r"v1\.(\d+)\.(\d+)(?:-rc(\d+))?\+k3s(\d+)")
# `k3s --version` prints more around it; a binary built from a commit has that in place of a number, and the
# tag of an image has a dash in place of the plus sign.
_FOUND = re.compile(r"\bv1\.(\d+)\.(\d+)(?:-rc(\d+))?[+-]k3s(?:(\d+)|-[0-9a-f]+)")
_NO_CANDIDATE = 1 << 30
WANTED = "a release such as `v1.34.2+k3s1`"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A release of k3s, in the order in which they may follow one another.

    Attributes:
        minor: The minor release of Kubernetes 1.
        patch: Its patch release.
        candidate: The number of a release candidate; larger than any for a release.
        build: The release of k3s itself for one release of Kubernetes.
    """

    minor: int
    patch: int
    candidate: int = field(default=_NO_CANDIDATE, repr=False)
    build: int = 1

    def __str__(self) -> str:
        candidate = "" if self.candidate == _NO_CANDIDATE else f"-rc{self.candidate}"
        return f"v1.{self.minor}.{self.patch}{candidate}+k3s{self.build}"

    @property
    def series(self) -> str:
        """The minor release, such as `v1.34`."""
        return f"v1.{self.minor}"


def parse_version(text: str) -> Version:
    """Read a version as a site writes it.

    Raises:
        ValueError: It is none, with what was found and what is needed.
    """
    if not (match := _EXACT.fullmatch(text)):
        raise ValueError(f"`{text}` is not {WANTED}")
    return _version(match)


def found_version(text: str) -> Version | None:
    """Find a version in what `k3s --version` or a node's `kubeletVersion` says; None where there is none."""
    match = _FOUND.search(text)
    return _version(match) if match else None


def has(version: Version, feature: str) -> bool:
    """Tell whether a release has a feature of `releases.yml`.

    Raises:
        KeyError: The table has no such feature.
    """
    return within(version, table()["features"][feature])


def features(version: str) -> dict[str, bool]:
    """Return whether a release has each feature of the table; it has none where the text is no release."""
    found = found_version(version)
    return {name: found is not None and within(found, span) for name, span in table()["features"].items()}


def within(version: Version, span: Mapping[str, Any]) -> bool:
    """Tell whether a release lies in a span of the table: `from`, a release for each line, and `until`."""
    starts = [parse_version(text) for text in span["from"]]
    if "until" in span and version >= parse_version(span["until"]):
        return False
    same_line = [start for start in starts if start.minor == version.minor]
    return version >= same_line[0] if same_line else version.minor > max(start.minor for start in starts)


def packaged_components() -> list[str]:
    """Return the names of what k3s installs by itself, which `disable` may name."""
    return list(table()["packaged"])


def flannel_backend_finding(backend: str, version: Version) -> str:
    """Say why a release cannot use a flannel back end; empty where it can."""
    backends = table()["flannel_backends"]
    usable = [name for name, span in backends.items() if within(version, span)]
    if backend in usable:
        return ""
    if backend not in backends:
        return f"k3s_flannel_backend: `{backend}` is none of {', '.join(usable)}"
    instead = backends[backend].get("instead", "vxlan")
    return f"k3s_flannel_backend: k3s {version} has no `{backend}`: use {instead}"


def version_finding(version: str) -> str:
    """Say what is wrong with the version that a site wants; empty where nothing is."""
    try:
        wanted = parse_version(version)
    except ValueError as fault:
        return f"k3s_version: {fault}"
    oldest = parse_version(table()["oldest"])
    if wanted < oldest:
        return f"k3s_version: {wanted} is too old for this role, which needs {oldest} or newer"
    return ""


def critical_keys() -> frozenset[str]:
    """Return the keys of config.yaml that must be equal on all servers."""
    return frozenset(table()["critical"])


def is_for_servers(key: str) -> bool:
    """Tell whether only `k3s server` knows a key of config.yaml; `k3s agent` would not start with it."""
    return any(fnmatchcase(key, pattern) for pattern in table()["servers_only"])


@cache
def table() -> dict[str, Any]:
    """Return `releases.yml`."""
    return dict(yaml.safe_load(Path(__file__).with_name("releases.yml").read_text(encoding="utf-8")))


def _version(match: re.Match[str]) -> Version:
    minor, patch, candidate, build = match.groups()
    return Version(
        int(minor), int(patch), int(candidate) if candidate else _NO_CANDIDATE, int(build) if build else 0
    )
