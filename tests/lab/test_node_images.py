"""The images for pods: what is in the archive."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from casa_install.errors import CasaError
from casa_install.lab import node_images
from casa_install.lab.node_images import PAUSE_IMAGE, TEST_IMAGE, ensure_node_images, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "images.tar"
    write_archive(
        path, pause=b"pause", busybox=b"busybox", applets=["sh", "wget", "busybox"], architecture="amd64"
    )
    return path


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as opened:
        member = opened.extractfile(name)
        assert member is not None
        return member.read()


def images(archive: Path) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Reference -> configuration and layer."""
    return {
        entry["RepoTags"][0]: (json.loads(read(archive, entry["Config"])), read(archive, entry["Layers"][0]))
        for entry in json.loads(read(archive, "manifest.json"))
    }


def test_layers_have_the_digests_that_the_configurations_name(archive: Path) -> None:
    found = images(archive)
    assert set(found) == {PAUSE_IMAGE, TEST_IMAGE}
    for config, layer in found.values():
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
        assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_what_the_images_run(archive: Path) -> None:
    pause, layer = images(archive)[PAUSE_IMAGE]
    assert pause["config"]["Entrypoint"] == ["/pause", "-P"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        assert [(entry.name, entry.mode) for entry in opened] == [("pause", 0o755)]
    _, layer = images(archive)[TEST_IMAGE]
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        entries = {entry.name: entry for entry in opened}
    assert entries["bin/busybox"].mode == 0o755
    assert {name: entry.linkname for name, entry in entries.items() if entry.issym()} == {
        "bin/sh": "busybox",
        "bin/wget": "busybox",
    }
    assert entries["tmp"].mode == 0o1777


def test_the_same_content_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    write_archive(
        again, pause=b"pause", busybox=b"busybox", applets=["wget", "sh", "busybox"], architecture="amd64"
    )
    assert again.read_bytes() == archive.read_bytes()


def test_error_packages_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mmdebstrap"
    program.write_text("#!/bin/sh\necho no mirror >&2\nexit 3\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(CasaError, match=r"catatonit for pods' images cannot be had:\nno mirror"):
        ensure_node_images(report=lambda _: None)
    assert list((tmp_path / "cache").glob("**/*.tar")) == []


def test_an_archive_of_the_cache_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    digest = hashlib.sha256(Path(node_images.__file__).read_bytes()).hexdigest()[:12]
    kept = tmp_path / "casa-install" / "images" / f"node-images-{digest}.tar"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"")
    assert ensure_node_images(report=lambda _: None) == kept
