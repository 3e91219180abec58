"""What belongs to the tree: the files that git knows or would take."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {".git", ".dev", ".venv", ".cache", ".ansible", "__pycache__", "dist"}


def _listed() -> list[Path]:
    try:
        argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        # An unpacked source archive, or no git at all.
        found = []
        for directory, folders, files in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in LEFT_OUT and not name.endswith("_cache")]
            found += [Path(directory, name) for name in files]
        return found
    return [ROOT / name for name in done.stdout.split("\0") if name]


@pytest.fixture(scope="session")
def tree() -> dict[str, str]:
    """Every text file of the checkout: path below its root, and content."""
    texts = {}
    for path in sorted(_listed()):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    assert "pyproject.toml" in texts
    return texts
