"""The hub's own secrets are made once, for root alone, and never replaced."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "notebook" / "files" / "casa-hub-secrets.py"
NAMES = ["cookie_secret", "crypt_key", "metrics_token", "proxy_token"]


@pytest.fixture
def run(tmp_path: Path):
    def run_it(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, PROGRAM, *words],
            env={"CASA_HUB_SECRETS": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_it


def test_all_are_made_for_root_alone_and_told_by_name_only(run, tmp_path: Path) -> None:
    assert run("due").returncode == 1
    made = run("make")
    assert sorted(made.stdout.split()) == NAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    contents = [(tmp_path / name).read_text() for name in NAMES]
    assert all(re.fullmatch(r"[0-9a-f]{64}\n", text) for text in contents)
    assert len(set(contents)) == len(NAMES)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert run("due").returncode == 0


def test_one_that_is_there_is_never_replaced(run, tmp_path: Path) -> None:
    run("make")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run("make").stdout.strip() == ""
    (tmp_path / "proxy_token").unlink()
    assert run("make").stdout.split() == ["proxy_token"]
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name for name in NAMES if after[name] != before[name]} == {"proxy_token"}


def test_an_empty_one_is_made_and_a_link_in_the_way_is_not_followed(run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "cookie_secret").touch()
    (tmp_path / ".cookie_secret.new").symlink_to(other)
    assert "cookie_secret" in run("make").stdout
    assert other.read_text() == "kept"
    assert (tmp_path / "cookie_secret").stat().st_size == 65


def test_other_words_are_refused(run, tmp_path: Path) -> None:
    assert run("show").returncode == 2
    assert list(tmp_path.iterdir()) == []
