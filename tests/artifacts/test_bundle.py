"""A bundle: the same bytes from the same files, all that can be wrong with one, and using it alone."""

from __future__ import annotations

import io
import json
import socket
import tarfile
from datetime import date
from typing import TYPE_CHECKING

import pytest
from release_server import IMAGES, RELEASE, TOOL, VERSION, Site, sha256

from casa_install.artifacts.bundle import MANIFEST, check_bundle, open_bundle
from casa_install.artifacts.bundle_writing import bundle_name, gather, write_bundle
from casa_install.artifacts.needs import Need, SiteNeeds
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from release_server import Server

KEY = f"project/{VERSION}"
NEEDS = SiteNeeds(
    "T3", (Need("project", VERSION, "amd64", ("checksums", "binary", "images")),), environment=False
)


@pytest.fixture
def bundle(tmp_path: Path, upstream: Server) -> Path:
    """A bundle that was made where there is a connection; the project's server is gone now."""
    connected = Site(tmp_path / "connected")
    gathered = gather(NEEDS, connected.resolver(), connected.cache, connected.told.append)
    path = tmp_path / "casa.tar"
    write_bundle(path, "T3", gathered)
    upstream.files.clear()
    upstream.asked.clear()
    return path


def rewrite(bundle: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """Write a bundle anew with other members."""
    with tarfile.open(bundle) as archive:
        members = [(entry, archive.extractfile(entry).read()) for entry in archive]
    change(members)
    with tarfile.open(bundle, "w") as archive:
        for entry, data in members:
            archive.addfile(entry, io.BytesIO(data))
    return bundle


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size = len(data)
    for field, value in fields.items():
        setattr(made, field, value)
    return made, data


def test_the_manifest_comes_first_and_names_everything(bundle: Path) -> None:
    with tarfile.open(bundle) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile(MANIFEST))
    assert names == [MANIFEST, f"{KEY}/images.tar.gz", f"{KEY}/sums-amd64.txt", f"{KEY}/tool"]
    assert (manifest["format"], manifest["site"], manifest["missing"]) == (1, "T3", [])
    assert manifest["made_by"].startswith("casa-install ")
    assert manifest["files"][-1] == {
        "path": f"{KEY}/tool",
        "sha256": sha256(TOOL),
        "size": len(TOOL),
        "component": "project",
        "version": VERSION,
    }


def test_the_same_files_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = Site(tmp_path / "again")
    gathered = gather(NEEDS, again.resolver(bundle=bundle), again.cache, again.told.append)
    write_bundle(tmp_path / "again.tar", "T3", gathered)
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_bundle_is_named_after_site_and_day() -> None:
    assert (
        bundle_name("T3 Example (Göttingen)", date(2026, 1, 2))
        == "casa-bundle-t3-example-g-ttingen-20260102.tar"
    )
    assert bundle_name("", date(2026, 1, 2)) == "casa-bundle-site-20260102.tar"


def test_a_whole_bundle_has_no_faults(bundle: Path) -> None:
    assert check_bundle(bundle)[1] == []


def test_everything_that_is_wrong_is_named_at_once(bundle: Path) -> None:
    def spoil(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        tool = members.pop()
        flipped = b"x" + tool[1][1:]
        members[1] = entry(f"{KEY}/images.tar.gz", b"short")
        members[2] = entry(f"{KEY}/tool", flipped)
        members.append(entry(f"{KEY}/tool", flipped))
        members.append(entry("extra", b"?"))
        members.append(entry("../../etc/cron.d/x", b"?"))

    _, faults = check_bundle(rewrite(bundle, spoil))
    assert faults == [
        f"{KEY}/images.tar.gz: has 5 bytes, expected {len(IMAGES)}",
        f"{KEY}/tool: SHA-256 is {sha256(b'x' + TOOL[1:])}, expected {sha256(TOOL)}",
        f"{KEY}/tool: is there twice",
        "'extra': is in the bundle and not in its manifest",
        "'../../etc/cron.d/x': is in the bundle and not in its manifest",
        f"{KEY}/sums-amd64.txt: is in the manifest and not in the bundle",
    ]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_regular_file_is_a_fault_and_is_never_used(
    bundle: Path, site: Site, kind: bytes
) -> None:
    def replace(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[-1] = entry(f"{KEY}/tool", type=kind, linkname=f"{KEY}/images.tar.gz")

    _, faults = check_bundle(rewrite(bundle, replace))
    assert f"{KEY}/tool: is no regular file" in faults
    with pytest.raises(CasaError, match="is no regular file"):
        site.resolver(bundle=bundle).resolve("project", VERSION, "amd64", ["binary"])
    assert not (site.folder / "tool").exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "a//b", ".hidden", "a/.b", "", "./a"]
)
def test_a_manifest_that_leads_out_of_the_cache_is_refused(bundle: Path, name: str) -> None:
    def lead_out(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(members[0][1])
        manifest["files"][0]["path"] = name
        members[0] = entry(MANIFEST, json.dumps(manifest).encode())

    with pytest.raises(CasaError, match="would lie outside of the cache"):
        open_bundle(rewrite(bundle, lead_out))


def test_a_cut_bundle_is_told(bundle: Path) -> None:
    data = bundle.read_bytes()
    bundle.write_bytes(data[: len(data) - len(TOOL) // 2 - 10240])
    _, faults = check_bundle(bundle)
    assert any("cut" in fault or "unexpected end" in fault for fault in faults)
    bundle.write_bytes(data[:700])
    with pytest.raises(CasaError, match="cut or damaged"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut or damaged"),
        (b"PK\x03\x04" * 1000, "cut or damaged"),
        (b'{"format": 2}', "is a bundle of format 2"),
        (b'{"format": 1}', "has no `files`"),
        (b"[]", "cannot be read"),
        (b"{", "cannot be read"),
    ],
)
def test_what_is_no_bundle_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "casa.tar"
    if content.startswith((b"{", b"[")):
        with tarfile.open(path, "w") as archive:
            archive.addfile(
                *(part if i == 0 else io.BytesIO(part) for i, part in enumerate(entry(MANIFEST, content)))
            )
    else:
        path.write_bytes(content)
    with pytest.raises(CasaError, match=reason):
        open_bundle(path)
    (tmp_path / "other.tar").write_bytes(b"")
    with pytest.raises(CasaError, match="No such file"):
        open_bundle(tmp_path / "none.tar")


def test_something_else_is_not_overwritten(bundle: Path, tmp_path: Path, site: Site) -> None:
    precious = tmp_path / "precious.tar"
    precious.write_bytes(b"mine")
    gathered = gather(NEEDS, site.resolver(bundle=bundle), site.cache, site.told.append)
    with pytest.raises(CasaError, match="is there already and is no bundle"):
        write_bundle(precious, "T3", gathered)
    assert precious.read_bytes() == b"mine"
    write_bundle(bundle, "T3", gathered)
    assert check_bundle(bundle)[1] == []


def test_a_file_that_changes_meanwhile_leaves_no_bundle(bundle: Path, tmp_path: Path, site: Site) -> None:
    gathered = gather(NEEDS, site.resolver(bundle=bundle), site.cache, site.told.append)
    (site.folder / "tool").write_bytes(b"x" * len(TOOL))
    with pytest.raises(CasaError, match="tool changed while it was read"):
        write_bundle(tmp_path / "new.tar", "T3", gathered)
    with pytest.raises(CasaError, match="cannot be written: No such file or directory"):
        write_bundle(tmp_path / "no" / "such" / "new.tar", "T3", gathered)
    assert not [path for path in tmp_path.iterdir() if "new" in path.name]


def test_what_may_not_be_needed_is_listed_as_missing(bundle: Path, site: Site) -> None:
    rpm = Need("project", "v9.9.9+k3s1", "amd64", ("binary",), only_for="hosts of EL 9")
    needs = SiteNeeds("T3", (*NEEDS.releases, rpm), environment=False)
    gathered = gather(needs, site.resolver(bundle=bundle), site.cache, site.told.append)
    assert [(one.path, one.why) for one in gathered.missing] == [
        ("project/v9.9.9+k3s1", "was nowhere to be had; hosts of EL 9 need it")
    ]
    assert len(gathered.files) == 3
    certain = SiteNeeds("T3", (Need("project", "v9.9.9+k3s1", "amd64", ("binary",)),), environment=False)
    with pytest.raises(CasaError, match="nowhere to be had"):
        gather(certain, site.resolver(bundle=bundle), site.cache, site.told.append)


# Installing from it.


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Forbid every connection and every look-up of a name; what was tried is listed."""
    tried: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        tried.append(arguments)
        raise OSError("no connection is allowed here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def test_a_bundle_is_enough_without_any_connection(
    bundle: Path, site: Site, no_network: list[object]
) -> None:
    sources = {"bundle": bundle, "mirror": "https://mirror.example.org/casa"}
    found = site.resolver(**sources).resolve("project", VERSION, "amd64", ["binary", "images", "checksums"])
    assert {one.source for one in found.values()} == {"bundle"}
    assert found["binary"].path.read_bytes() == TOOL
    again = site.resolver(**sources).resolve("project", VERSION, "amd64", ["binary", "images"])
    assert {one.source for one in again.values()} == {"cache"}
    assert no_network == []
    assert site.names() == [f"{KEY}/{name}" for name in sorted(RELEASE)]


def test_the_guard_sees_a_connection(site: Site, upstream: Server, no_network: list[object]) -> None:
    with pytest.raises(CasaError, match="no connection is allowed here"):
        site.resolver().resolve("project", VERSION, "amd64", ["binary"])
    assert no_network
    assert upstream.asked == []


def test_a_dry_run_from_a_bundle_writes_nothing(bundle: Path, site: Site, no_network: list[object]) -> None:
    found = site.resolver(bundle=bundle, look_only=True).resolve(
        "project", VERSION, "amd64", ["binary", "images"]
    )
    assert {name: one.would for name, one in found.items()} == {
        "binary": f"take tool from {bundle}",
        "images": f"take images.tar.gz from {bundle}",
    }
    assert found["images"].sha256 == sha256(IMAGES)
    assert not site.cache.exists()
    assert no_network == []


def test_the_bundles_list_goes_before_the_caches(bundle: Path, site: Site) -> None:
    site.put("sums-amd64.txt", f"{sha256(b'other')}  tool\n".encode())
    site.put("tool", b"other")
    assert (
        site.resolver(bundle=bundle).resolve("project", VERSION, "amd64", ["binary"])["binary"].source
        == "bundle"
    )
    assert (site.folder / "tool").read_bytes() == TOOL
    assert (site.folder / "sums-amd64.txt").read_bytes() == RELEASE["sums-amd64.txt"]


def test_what_a_bundle_lacks_is_looked_for_elsewhere(bundle: Path, site: Site, upstream: Server) -> None:
    def drop(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(members[0][1])
        manifest["files"] = [one for one in manifest["files"] if one["path"] != f"{KEY}/tool"]
        members[:] = [entry(MANIFEST, json.dumps(manifest).encode()), *members[1:-1]]

    rewrite(bundle, drop)
    with pytest.raises(CasaError, match=f"bundle {bundle}: has no {KEY}/tool".replace("+", r"\+")):
        site.resolver(bundle=bundle).resolve("project", VERSION, "amd64", ["binary"])
    upstream.files["tool"] = TOOL
    found = site.resolver(bundle=bundle).resolve("project", VERSION, "amd64", ["binary", "images"])
    assert {name: one.source for name, one in found.items()} == {"binary": "upstream", "images": "bundle"}


def test_a_file_that_was_changed_in_the_bundle_is_not_used(bundle: Path, site: Site) -> None:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[-1] = entry(f"{KEY}/tool", b"x" + TOOL[1:])

    rewrite(bundle, change)
    with pytest.raises(CasaError) as caught:
        site.resolver(bundle=bundle).resolve("project", VERSION, "amd64", ["binary"])
    expected = f"bundle {bundle}: SHA-256 is {sha256(b'x' + TOOL[1:])}, expected {sha256(TOOL)}"
    assert expected in caught.value.message
    assert site.names() == [f"{KEY}/sums-amd64.txt"]
