"""A file that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.artifacts.pins import Artifact


@dataclass(frozen=True, slots=True)
class Found:
    """A file and where it is.

    Args:
        artifact: Which file.
        path: Where it lies in the cache, or in a dry run would.
        sha256: Its digest; in a dry run the expected one, empty where only a connection would tell.
        size: In bytes; 0 where it is not there.
        source: `bundle`, `cache`, `mirror` or `upstream`: where it was taken from now.
        present: Whether it is there and verified; always true but in a dry run.
        would: What another run than a dry one would do.
    """

    artifact: Artifact
    path: Path
    sha256: str
    size: int = 0
    source: str = ""
    present: bool = True
    would: str = ""


def found(artifact: Artifact, path: Path, sha256: str, source: str) -> Found:
    """Return what is said of a file that is there."""
    return Found(artifact, path, sha256, path.stat().st_size, source)
