"""What the cache has already: for templates and tests, which only look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casa_install.artifacts.checksums import MAX_LIST, read_checksums
from casa_install.artifacts.pins import Artifact, component

if TYPE_CHECKING:
    from pathlib import Path


def cached_versions(cache: Path, name: str) -> list[str]:
    """Return the versions of a component that have a file in the cache besides its list, the newest last.

    Args:
        cache: The cache's directory.
        name: The component.
    """
    pinned = component(name)
    files = {
        file for variant in pinned.variants.values() for names in variant.files.values() for file in names
    }
    folder = cache / name
    found = [
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if re.fullmatch(pinned.pattern, path.name) and any((path / file).is_file() for file in files)
    ]
    return sorted(found, key=lambda version: [int(part) for part in re.findall(r"\d+", version)])


def listed_digest(cache: Path, artifact: Artifact) -> str:
    """Return a file's SHA-256 as the release's cached list says it; empty where there is no list."""
    for variant in component(artifact.component).variants.values():
        path = cache / artifact.component / artifact.version / variant.checksums
        try:
            with path.open("rb") as stream:
                digest = read_checksums(stream.read(MAX_LIST)).get(artifact.name)
        except (OSError, ValueError):
            continue
        if digest:
            return digest
    return ""
