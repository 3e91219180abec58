"""What people read about a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.engine.tables import Table
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.artifacts.bundle import Manifest


def bundle_text(path: Path, manifest: Manifest) -> str:
    """Return a bundle's files as a table."""
    total = sum(member.size for member in manifest.files)
    title = f"{path}: {len(manifest.files)} files, {mebibytes(total)} MiB, for {manifest.site or 'a site'}"
    rows = tuple((member.path, mebibytes(member.size), member.sha256[:12]) for member in manifest.files)
    return table_text(Table(title, ("file", "MiB", "SHA-256"), rows))


def missing_lines(manifest: Manifest) -> list[str]:
    """Return a sentence for each file that a bundle lacks."""
    return [f"not in the bundle: {missing.path}: {missing.why}" for missing in manifest.missing]


def mebibytes(size: int) -> str:
    """Return a size in MiB with one decimal."""
    return f"{size / (1 << 20):.1f}"
