"""Filters on releases' files, which look into the cache and never fetch. Thin, as all plugins are."""

from __future__ import annotations

from typing import Any

from casa_install.artifacts.cached import cached_versions, listed_digest
from casa_install.artifacts.pins import Artifact, component
from casa_install.artifacts.places import Sources, cache_home


def _artifact(key: str) -> Artifact:
    return Artifact(*key.split("/", 2))


def _path(key: str) -> str:
    """Where `component/version/file` lies in the cache; empty where it does not."""
    path = Sources(cache_home()).path(_artifact(key))
    return str(path) if path.is_file() else ""


def _digest(key: str, digests: dict[str, str] | None = None) -> str:
    """The SHA-256 of `component/version/file` as a site, the pins or the release's cached list say it."""
    artifact = _artifact(key)
    pinned = component(artifact.component).digests.get(artifact.version, {}).get(artifact.name, "")
    demanded = Sources(cache_home(), digests=digests or {}).digest(artifact) or pinned
    return demanded or listed_digest(cache_home(), artifact)


def _version(name: str) -> str:
    """The version of a component that is installed where a site names none."""
    return component(name).version


def _versions(name: str) -> list[str]:
    """The versions of a component that the cache has, the newest last."""
    return cached_versions(cache_home(), name)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "artifact_path": _path,
            "artifact_digest": _digest,
            "artifact_version": _version,
            "artifact_versions": _versions,
        }
