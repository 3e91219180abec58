"""Where files come from, what is accepted, and what is said when they are nowhere to be had."""

from __future__ import annotations

import stat
import threading
from typing import TYPE_CHECKING

import pytest
from release_server import IMAGES, RELEASE, TOOL, VERSION, sha256, wait

from casa_install.artifacts import cache
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from release_server import Server, Site

needs_upstream = pytest.mark.usefixtures("upstream")

BOTH = ["binary", "images"]
TREE = [f"project/{VERSION}/{name}" for name in sorted(RELEASE)]


def take(site: Site, *wanted: str, **sources: object) -> dict:
    return site.resolver(**sources).resolve("project", VERSION, "x86_64", wanted or BOTH)


def refused(site: Site, *wanted: str, **sources: object) -> CasaError:
    with pytest.raises(CasaError) as caught:
        take(site, *wanted, **sources)
    return caught.value


def test_files_come_from_upstream_and_the_second_time_from_the_cache(site: Site, upstream: Server) -> None:
    found = take(site)
    assert {name: one.source for name, one in found.items()} == {"binary": "upstream", "images": "upstream"}
    assert found["binary"].path.read_bytes() == TOOL
    assert found["images"].path.name == "images.tar.gz"
    assert (found["binary"].sha256, found["binary"].size) == (sha256(TOOL), len(TOOL))
    assert site.names() == TREE
    assert f"/{VERSION.replace('+', '%2B')}/tool" in upstream.paths()

    upstream.asked.clear()
    again = take(site)
    assert {one.source for one in again.values()} == {"cache"}
    assert upstream.asked == []


@needs_upstream
def test_only_the_owner_can_enter_the_cache(site: Site) -> None:
    path = take(site, "binary")["binary"].path
    folders = [site.cache, site.cache / "project", site.folder]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_mirror_is_asked_before_the_project(
    site: Site, upstream: Server, serve: Callable[..., Server]
) -> None:
    mirror = serve()
    assert {one.source for one in take(site, mirror=f"{mirror.url}/casa/").values()} == {"mirror"}
    assert upstream.asked == []
    assert f"/casa/project/{VERSION.replace('+', '%2B')}/tool" in mirror.paths()


def test_a_directory_can_be_a_mirror(site: Site, upstream: Server, tmp_path: Path) -> None:
    for name, data in RELEASE.items():
        path = tmp_path / "share" / "project" / VERSION / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = take(site, mirror=f"file://{tmp_path}/share")
    assert {one.source for one in found.values()} == {"mirror"}
    assert upstream.asked == []


def test_what_the_mirror_lacks_comes_from_the_project(
    site: Site, upstream: Server, serve: Callable[..., Server]
) -> None:
    mirror = serve({"sums-amd64.txt": RELEASE["sums-amd64.txt"], "images.tar.gz": IMAGES})
    found = take(site, mirror=mirror.url)
    assert {name: one.source for name, one in found.items()} == {"binary": "upstream", "images": "mirror"}
    assert upstream.paths() == [f"/{VERSION.replace('+', '%2B')}/tool"]


@needs_upstream
def test_a_mirror_that_lies_is_passed_over(site: Site, serve: Callable[..., Server]) -> None:
    mirror = serve({**RELEASE, "tool": b"evil"})
    assert take(site, "binary", mirror=mirror.url)["binary"].source == "upstream"
    assert (site.folder / "tool").read_bytes() == TOOL


def test_a_wrong_file_is_refused_with_both_digests(site: Site, upstream: Server) -> None:
    upstream.files["tool"] = b"evil"
    error = refused(site, "binary")
    assert f"SHA-256 is {sha256(b'evil')}, expected {sha256(TOOL)}" in error.message
    assert site.names() == [f"project/{VERSION}/sums-amd64.txt"]


def test_nowhere_names_every_place_and_every_way_out(
    site: Site, upstream: Server, serve: Callable[..., Server]
) -> None:
    upstream.files.clear()
    mirror = serve({})
    error = refused(site, mirror=mirror.url)
    quoted = VERSION.replace("+", "%2B")
    assert error.message.splitlines() == [
        f"project/{VERSION}/sums-amd64.txt, without which nothing of this release can be verified, "
        "is nowhere to be had:",
        f"  cache {site.folder}/sums-amd64.txt: not there",
        f"  mirror {mirror.url}/project/{quoted}/sums-amd64.txt: 404 Not Found",
        f"  upstream {upstream.url}/{quoted}/sums-amd64.txt: 404 Not Found",
    ]
    assert f"put the project's files into {site.folder} by hand" in error.hint
    assert "casa-install bundle create -i INVENTORY" in error.hint
    assert "site_artifact_mirror" not in error.hint

    assert "site_artifact_mirror" in refused(site).hint


def test_a_server_that_does_not_answer_is_asked_once(site: Site, upstream: Server) -> None:
    dead = "http://127.0.0.1:9"
    found = take(site, mirror=dead)
    assert {one.source for one in found.values()} == {"upstream"}
    assert [line for line in site.told if dead in line] == [
        f"downloading {dead}/project/{VERSION.replace('+', '%2B')}/sums-amd64.txt"
    ]

    upstream.faults["tool"] = 500
    (site.folder / "tool").unlink()
    error = refused(site, "binary", mirror=dead)
    assert "127.0.0.1 cannot be reached: Connection refused" in error.message
    assert "500 Internal Server Error" in error.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"<html>Log in first</html>\n", "no list of SHA-256 digests: line 1 is `<html>Log in first</html>`"),
        (b"", "it is no list of SHA-256 digests: it is empty"),
        (b"0" * 64 + b"  tool\n" + b"1" * 64 + b"  dist/tool\n", "it has two digests for tool"),
        (b"0" * 64 + b"  other\n", "sums-amd64.txt lists no tool"),
        (b"x" * (1 << 21), "it is larger than 1048576 bytes"),
    ],
)
def test_a_list_that_is_none_verifies_nothing(site: Site, upstream: Server, text: bytes, reason: str) -> None:
    upstream.files["sums-amd64.txt"] = text
    assert reason in refused(site, "binary").message
    assert f"project/{VERSION}/tool" not in site.names()
    assert not list(site.cache.rglob("*.part"))


@needs_upstream
def test_a_bad_list_in_the_cache_is_put_aside(site: Site) -> None:
    site.put("sums-amd64.txt", b"cut")
    assert take(site, "binary")["binary"].source == "upstream"
    assert (site.folder / "sums-amd64.txt.wrong").read_bytes() == b"cut"
    assert any("put aside as sums-amd64.txt.wrong" in line for line in site.told)


@needs_upstream
def test_a_damaged_file_in_the_cache_is_put_aside(site: Site) -> None:
    site.put("tool", b"bit rot")
    assert take(site, "binary")["binary"].source == "upstream"
    assert (site.folder / "tool").read_bytes() == TOOL
    assert (site.folder / "tool.wrong").read_bytes() == b"bit rot"
    expected = f"SHA-256 is {sha256(b'bit rot')}, expected {sha256(TOOL)}"
    assert any("put aside as tool.wrong" in line and expected in line for line in site.told)


def test_a_damaged_file_is_not_used_where_there_is_no_other(site: Site, upstream: Server) -> None:
    site.put("tool", b"bit rot")
    upstream.faults["tool"] = 404
    error = refused(site, "binary")
    expected = f"SHA-256 was {sha256(b'bit rot')}, expected {sha256(TOOL)}; it is now tool.wrong"
    assert f"cache {site.folder}/tool: {expected}" in error.message
    assert not (site.folder / "tool").exists()


def test_files_put_there_by_hand_are_enough(site: Site, upstream: Server) -> None:
    for name, data in RELEASE.items():
        site.put(name, data)
    assert {one.source for one in take(site).values()} == {"cache"}
    assert upstream.asked == []


def test_what_is_there_is_taken_before_what_is_preferred(site: Site, upstream: Server) -> None:
    text = RELEASE["sums-amd64.txt"] + f"{sha256(b'zst')}  images.tar.zst\n".encode()
    site.put("sums-amd64.txt", text)
    site.put("images.tar.gz", IMAGES)
    assert take(site, "images")["images"].path.name == "images.tar.gz"
    (site.folder / "images.tar.gz").unlink()
    upstream.files["images.tar.zst"] = b"zst"
    assert take(site, "images")["images"].path.name == "images.tar.zst"


@pytest.mark.parametrize("key", [f"project/{VERSION}/tool", "tool"])
def test_the_sites_digest_wins_over_the_releases_list(site: Site, upstream: Server, key: str) -> None:
    error = refused(site, "binary", digests={key: sha256(b"reviewed")})
    assert f"SHA-256 is {sha256(TOOL)}, expected {sha256(b'reviewed')}" in error.message
    upstream.files["tool"] = b"reviewed"
    assert take(site, "binary", digests={key: sha256(b"reviewed")})["binary"].source == "upstream"
    assert not [path for path in upstream.paths() if path.endswith("sums-amd64.txt")]


@needs_upstream
def test_the_site_can_say_what_the_list_must_be(site: Site) -> None:
    wanted = {"sums-amd64.txt": sha256(b"another")}
    error = refused(site, "binary", digests=wanted)
    expected = f"SHA-256 is {sha256(RELEASE['sums-amd64.txt'])}, expected {sha256(b'another')}"
    assert expected in error.message
    assert site.names() == []


def test_a_pinned_digest_wins_over_the_releases_list(
    site: Site, upstream: Server, pinned: Callable[..., None]
) -> None:
    pinned(f"{upstream.url}/{{version}}/{{file}}", {VERSION: {"tool": sha256(b"pinned")}})
    assert f"expected {sha256(b'pinned')}" in refused(site, "binary").message


def test_two_runs_download_a_file_once(site: Site, upstream: Server) -> None:
    upstream.faults["tool"] = "stall"
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(take(site, "binary")["binary"].source))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert upstream.half_sent.wait(10)
    wait((site.folder / "tool.part").exists, "a part")
    assert not (site.folder / "tool").exists()
    upstream.released.set()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["cache", "cache", "cache", "upstream"]
    assert len([path for path in upstream.paths() if path.endswith("/tool")]) == 1
    assert site.names() == [TREE[1], TREE[2]]


@needs_upstream
def test_the_lock_of_a_run_that_was_killed_is_no_obstacle(site: Site) -> None:
    site.put(".tool.lock", b"")
    assert take(site, "binary")["binary"].source == "upstream"
    assert not (site.folder / ".tool.lock").exists()


@needs_upstream
def test_a_cache_that_is_complete_is_not_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    take(site)

    def denied(_: Path) -> None:
        raise AssertionError("a lock was taken")

    monkeypatch.setattr(cache, "locked", denied)
    assert {one.source for one in take(site).values()} == {"cache"}


@needs_upstream
@pytest.mark.parametrize("folder", ["project", f"project/{VERSION}", "."])
def test_a_cache_that_others_can_write_is_refused(site: Site, folder: str) -> None:
    take(site)
    (site.cache / folder).chmod(0o777)
    error = refused(site)
    assert f"Others can write into {(site.cache / folder).resolve()}" in error.message
    assert error.exit_code == 2


def test_a_dry_run_fetches_and_writes_nothing(site: Site, upstream: Server) -> None:
    found = site.resolver(look_only=True).resolve("project", VERSION, "amd64", BOTH)
    assert {one.present for one in found.values()} == {False}
    assert found["binary"].would == f"download {upstream.url}/{VERSION.replace('+', '%2B')}/tool"
    assert found["binary"].path == site.folder / "tool"
    assert upstream.asked == []
    assert not site.cache.exists()


def test_a_dry_run_sees_what_is_there_and_leaves_what_is_wrong(site: Site, upstream: Server) -> None:
    take(site)
    upstream.asked.clear()
    (site.folder / "images.tar.gz").write_bytes(b"bit rot")
    found = site.resolver(look_only=True).resolve("project", VERSION, "amd64", BOTH)
    assert {name: one.present for name, one in found.items()} == {"binary": True, "images": False}
    assert found["images"].sha256 == sha256(IMAGES)
    assert site.names() == TREE
    assert upstream.asked == []


@pytest.mark.parametrize("version", ["../../../etc", "v1.2.3", "v1.2.3+k3s1/..", ""])
def test_a_version_that_is_none_is_refused(site: Site, upstream: Server, version: str) -> None:
    with pytest.raises(CasaError) as caught:
        site.resolver().resolve("project", version, "amd64", BOTH)
    assert caught.value.message == f"`{version}` is no version of project."
    assert VERSION in caught.value.hint
    assert upstream.asked == []


def test_names_that_lead_elsewhere_are_refused(site: Site, upstream: Server) -> None:
    with pytest.raises(CasaError, match="cannot be part of an artifact's name"):
        take(site, "../../tool")
    with pytest.raises(CasaError, match="There is no project for `riscv64`"):
        site.resolver().resolve("project", VERSION, "riscv64", BOTH)
    with pytest.raises(CasaError, match="`other` is none of the components"):
        site.resolver().resolve("other", VERSION, "amd64", BOTH)
    assert upstream.asked == []
