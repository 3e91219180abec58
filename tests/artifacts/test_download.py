"""A download that breaks, stalls, resumes, and what is left of it."""

from __future__ import annotations

import base64
import resource
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from release_server import TOOL, sha256

from casa_install.artifacts.download import FetchError, Patience, _NoDowngrade, download

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from release_server import Server

PATIENCE = Patience(silence=10, window=10)


def fetch(server: Server, part: Path, patience: Patience = PATIENCE) -> str:
    return download(f"{server.url}/tool", part, patience=patience)


def failure(server: Server, part: Path, patience: Patience = PATIENCE) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(server, part, patience)
    return caught.value.reason


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "tool.part"


def test_a_cut_download_is_told_and_continued(server: Server, part: Path) -> None:
    server.faults["tool"] = "cut"
    half = len(TOOL) // 2
    assert failure(server, part) == f"it is cut: {half} of {len(TOOL)} bytes came"
    assert part.read_bytes() == TOOL[:half]

    server.faults.clear()
    assert fetch(server, part) == sha256(TOOL)
    assert part.read_bytes() == TOOL
    assert server.asked[-1][1]["Range"] == f"bytes={half}-"


def test_a_continued_download_can_be_cut_too(server: Server, part: Path) -> None:
    part.write_bytes(TOOL[:1000])
    server.faults["tool"] = "cut"
    came = (1000 + len(TOOL)) // 2
    assert failure(server, part) == f"it is cut: {came} of {len(TOOL)} bytes came"
    assert part.read_bytes() == TOOL[:came]


def test_a_server_without_ranges_sends_it_all_again(server: Server, part: Path) -> None:
    part.write_bytes(b"x" * 1000)
    server.faults["tool"] = "whole"
    assert fetch(server, part) == sha256(TOOL)
    assert part.read_bytes() == TOOL


@pytest.mark.parametrize("extra", [0, 7])
def test_a_part_that_is_as_long_or_longer_is_thrown_away(server: Server, part: Path, extra: int) -> None:
    part.write_bytes(b"x" * (len(TOOL) + extra))
    assert fetch(server, part) == sha256(TOOL)
    assert part.read_bytes() == TOOL
    assert ["Range" in headers for _, headers in server.asked] == [True, False]


def test_silence_ends_a_download_and_keeps_its_beginning(server: Server, part: Path) -> None:
    server.faults["tool"] = "stall"
    assert failure(server, part, Patience(silence=0.3)) == "nothing came for 0.3 s"
    assert part.read_bytes() == TOOL[: len(TOOL) // 2]


def test_a_trickle_ends_a_download(server: Server, part: Path) -> None:
    server.faults["tool"] = "trickle"
    reason = failure(server, part, Patience(silence=5, window=0.3, slowest=5000))
    assert reason.startswith("it is too slow: ")
    assert " bytes/s over 0." in reason


def test_what_cannot_be_written_leaves_nothing(server: Server, part: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(TOOL) // 2, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            fetch(server, part)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not part.exists()


def test_a_link_in_the_place_of_the_part_is_not_followed(server: Server, part: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"")
    part.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        fetch(server, part)
    assert precious.read_bytes() == b""


def test_a_password_goes_to_the_mirror_and_nowhere_else(
    server: Server, serve: Callable[..., Server], part: Path
) -> None:
    store = serve()
    server.faults["tool"] = f"{store.url}/store/tool"
    url = f"http://reader:s%40crt@{server.address}/tool"
    assert download(url, part, patience=PATIENCE) == sha256(TOOL)
    word = base64.b64encode(b"reader:s@crt").decode()
    assert server.asked[0][1]["Authorization"] == f"Basic {word}"
    assert "Authorization" not in store.asked[0][1]


def test_the_environments_proxy_is_used(server: Server, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert download("http://mirror.invalid/tool", part, patience=PATIENCE) == sha256(TOOL)
    assert server.paths() == ["http://mirror.invalid/tool"]


def test_https_never_leads_to_http() -> None:
    request = urllib.request.Request("https://a.example/tool")
    with pytest.raises(
        urllib.error.URLError, match=r"redirects to http://b\.example/tool, which is not https"
    ):
        _NoDowngrade().redirect_request(request, None, 302, "Found", {}, "http://me:pw@b.example/tool")
