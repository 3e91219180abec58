"""A fresh clone on a fresh Debian: `make packages setup unit` in a new root directory with an empty home."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "fresh-root.sh"


def leftovers() -> set[str]:
    return {path.name for path in Path("/var/tmp").glob("casa-fresh-*")}


def mounts() -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if "casa-fresh-" in line]


@pytest.mark.rare
@pytest.mark.machines
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="needs mmdebstrap")
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_make_works_on_a_fresh_debian(suite: str) -> None:
    before = leftovers()
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    done = subprocess.run([SCRIPT, suite], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20_000:]
    # pytest's last line, printed in the new root.
    assert " passed" in done.stdout.strip().splitlines()[-1]
    assert leftovers() == before
    assert not mounts()


def test_without_a_release_nothing_is_made() -> None:
    before = leftovers()
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert leftovers() == before


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    for name in ("sh", "id", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    argv = [SCRIPT, "bookworm"]
    done = subprocess.run(argv, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Error: mmdebstrap is not installed" in done.stderr
    assert " Hint: apt-get install" in done.stderr
