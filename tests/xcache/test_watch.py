"""The programs that a cache's host runs: what they count, what they keep fresh, and what they never print."""

from __future__ import annotations

import base64
import importlib.util
import json
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FILES = Path(__file__).resolve().parents[2] / "roles" / "xcache" / "files"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), FILES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


watch = _module("casa-xcache-watch")
token = _module("casa-xcache-token")


def _snapshot(path: Path, began: int, hit: int, missed: int) -> Path:
    stats = {"m_BytesHit": hit, "m_BytesMissed": missed, "m_BytesBypassed": 1, "m_BytesWritten": 2}
    path.write_text(json.dumps({"m_sshot_stats_reset_time": began, "m_dir_states": [{"m_stats": stats}]}))
    return path


def test_each_interval_is_counted_once(tmp_path: Path) -> None:
    path = _snapshot(tmp_path / "DirStat.json", 100, 10, 5)
    first = watch.counted(path, {})
    assert (first["hit"], first["missed"], first["bypassed"]) == (10, 5, 1)
    assert watch.counted(path, first) == first
    second = watch.counted(_snapshot(path, 400, 7, 0), first)
    assert (second["hit"], second["missed"], second["since"]) == (17, 5, first["since"])


def test_a_missing_or_half_written_snapshot_counts_nothing(tmp_path: Path) -> None:
    before = watch.counted(_snapshot(tmp_path / "one", 100, 10, 5), {})
    assert watch.counted(tmp_path / "none", before) == before
    (tmp_path / "half").write_text('{"m_sshot')
    assert watch.counted(tmp_path / "half", before) == before


def test_a_cached_file_is_one_with_data(tmp_path: Path) -> None:
    (tmp_path / "store" / "a").mkdir(parents=True)
    assert watch.cached_file(tmp_path, ["/store"]) == ""
    (tmp_path / "store" / "a" / "x.cinfo").write_text("")
    assert watch.cached_file(tmp_path, ["/store"]) == ""
    (tmp_path / "store" / "a" / "x").write_bytes(bytes(5000))
    assert watch.cached_file(tmp_path, ["/store"]) == "/store/a/x"


def _reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = tmp_path / "xrdfs"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("head -c 5000 /dev/zero", ""),
        ("exec sleep 30", "nothing was read within 1 s"),
        ("echo '[FATAL] Auth failed' >&2; exit 52", "[FATAL] Auth failed"),
        ("head -c 100 /dev/zero", "the file ended before its first bytes"),
    ],
)
def test_a_probe_ends_in_time_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, fault: str
) -> None:
    _reader(tmp_path, monkeypatch, body)
    begun = time.monotonic()
    assert watch.probe("root://x", "/store/x", 1, {})["fault"] == fault
    assert time.monotonic() - begun < 5


def _jwt(**claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.c2ln"


@pytest.mark.parametrize(
    ("life", "age", "fresh"), [(3600, 0, True), (3600, 1700, True), (3600, 1900, False), (3600, 4000, False)]
)
def test_a_token_is_fresh_until_half_of_its_life(tmp_path: Path, life: int, age: int, fresh: bool) -> None:
    path = tmp_path / "token"
    path.write_text(_jwt(iat=10_000, exp=10_000 + life))
    assert token.is_fresh(path, 10_000 + age) is fresh


def test_what_is_no_token_is_not_fresh(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("garbage")
    assert not token.is_fresh(tmp_path / "token", 0)
    assert not token.is_fresh(tmp_path / "none", 0)


def test_a_token_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    token.write(path, "new", "")
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_fault_names_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("canary-of-the-secret")
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "x",
            "--endpoint",
            "https://127.0.0.1:9/token",
            "--client-id",
            "c",
            "--scope",
            "s",
            "--secret",
            str(tmp_path / "secret"),
            "--token",
            str(tmp_path / "token"),
        ],
    )
    assert token.main() == 1
    said = capsys.readouterr()
    assert "no token from https://127.0.0.1:9/token" in said.err
    assert "canary" not in said.out + said.err
    assert not (tmp_path / "token").exists()


def test_an_endless_or_ended_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __init__(self, text: str) -> None:
            self.text = text

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def read(self) -> str:
            return json.dumps({"access_token": self.text})

    options = token.argparse.Namespace(
        endpoint="https://iss/token", client_id="c", scope="s", audience="", ca=""
    )
    for claims in ({"iat": 1}, {"iat": 1, "exp": 2}):
        answer = Answer(_jwt(**claims))
        monkeypatch.setattr(token.urllib.request, "urlopen", lambda *_, given=answer, **__: given)
        with pytest.raises(ValueError, match="no end or has ended"):
            token.fetch(options, "secret")
