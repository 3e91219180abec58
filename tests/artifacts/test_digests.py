"""Digests of large files are computed once, and again after any change."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from casa_install import digests
from casa_install.digests import LARGE, memory_file, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"a" * LARGE


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A large file that counts as settled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(digests, "_SETTLED", -1e9)
    path = tmp_path / "large"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each digest that is computed."""
    done: list[str] = []
    real = hashlib.file_digest

    def counting(stream: object, name: str) -> object:
        done.append(name)
        return real(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", counting)
    return done


def expected(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_large_file_is_read_once(large: Path, computed: list[str]) -> None:
    assert [sha256_of(large) for _ in range(3)] == [expected(DATA)] * 3
    assert len(computed) == 1
    assert memory_file().stat().st_mode & 0o777 == 0o600


def test_a_small_file_is_not_remembered(large: Path, computed: list[str]) -> None:
    large.write_bytes(b"small")
    assert [sha256_of(large) for _ in range(2)] == [expected(b"small")] * 2
    assert len(computed) == 2
    assert not memory_file().exists()


def test_any_change_is_seen(large: Path) -> None:
    sha256_of(large)
    times = large.stat()
    with large.open("r+b") as stream:
        stream.write(b"b")
    os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha256_of(large) == expected(b"b" + DATA[1:])

    other = large.with_name("other")
    other.write_bytes(b"c" * LARGE)
    other.replace(large)
    assert sha256_of(large) == expected(b"c" * LARGE)


def test_a_file_that_was_just_written_is_not_remembered(
    large: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_SETTLED", 3600)
    assert [sha256_of(large) for _ in range(2)] == [expected(DATA)] * 2
    assert len(computed) == 2


def lie(large: Path, mode: int) -> None:
    sha256_of(large)
    memory = json.loads(memory_file().read_text())
    memory[str(large)][-1] = "0" * 64
    memory_file().write_text(json.dumps(memory))
    memory_file().chmod(mode)


def test_what_others_could_have_written_is_not_believed(large: Path) -> None:
    lie(large, 0o600)
    assert sha256_of(large) == "0" * 64
    lie(large, 0o620)
    assert sha256_of(large) == expected(DATA)
    lie(large, 0o602)
    assert sha256_of(large) == expected(DATA)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"KEY": 7}', '{"KEY": []}', '{"KEY": {}}'])
def test_a_damaged_memory_is_as_good_as_none(large: Path, text: str) -> None:
    sha256_of(large)
    memory_file().write_text(text.replace("KEY", str(large)))
    assert sha256_of(large) == expected(DATA)


def test_files_that_are_gone_are_forgotten(large: Path) -> None:
    sha256_of(large)
    gone = large.rename(large.with_name("renamed"))
    sha256_of(gone)
    assert list(json.loads(memory_file().read_text())) == [str(gone)]


def test_a_memory_that_cannot_be_written_costs_nothing_else(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert sha256_of(large) == expected(DATA)
