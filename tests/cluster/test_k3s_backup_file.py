"""The file that a backup is: only the right password opens it, and only a whole one is taken."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile

import pytest

from casa_install.cluster import backup_file
from casa_install.cluster.backup_file import read_archive, seal, unseal
from casa_install.errors import CasaError
from casa_install.site.vault import VaultPassword, encrypt

PASSWORD = VaultPassword("default", b"correct horse")
OTHER = VaultPassword("default", b"another horse")
CANARY = b"the cluster's own key"


def archive(files=None, **changed) -> bytes:
    """An archive as a server packs it."""
    files = {"tls/server-ca.key": CANARY, "datastore/snap": b"data"} if files is None else files
    manifest = {
        "format": 1,
        "kind": "k3s",
        "site": "Tier 3",
        "version": "v1.21.3+k3s1",
        "datastore": "etcd",
        "node": "s1",
        "made": 1_800_000_000,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    } | changed
    return packed({"manifest.json": json.dumps(manifest).encode(), **files})


def packed(members, kinds=None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.type = (kinds or {}).get(name, tarfile.REGTYPE)
            entry.linkname = "/etc/shadow" if name in (kinds or {}) else ""
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def test_what_was_sealed_is_opened_again(tmp_path):
    content = archive()
    path = seal(read_archive(content, "it"), PASSWORD, tmp_path)
    assert path.name == "casa-backup-Tier-3-k3s-20270115T080000Z.tar.vault"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CANARY not in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]
    opened = unseal(path, [OTHER, PASSWORD])
    assert (opened.site, opened.version, opened.datastore, opened.node) == (
        "Tier 3",
        "v1.21.3+k3s1",
        "etcd",
        "s1",
    )
    assert opened.archive == content
    assert CANARY.decode() not in repr(opened)


def test_a_wrong_password_opens_nothing(tmp_path):
    path = seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    with pytest.raises(CasaError, match="none of the given vault passwords is its own, or it is damaged"):
        unseal(path, [OTHER])


def test_without_a_password_nothing_is_tried(tmp_path):
    path = seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    with pytest.raises(CasaError, match="no vault password was given"):
        unseal(path, [])


@pytest.mark.parametrize("cut", [100, 1000])
def test_a_file_that_was_cut_is_refused(tmp_path, cut):
    path = seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(CasaError, match="damaged"):
        unseal(path, [PASSWORD])


def test_a_changed_byte_is_found(tmp_path):
    path = seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    content = bytearray(path.read_bytes())
    content[-40] = ord("3") if content[-40] != ord("3") else ord("4")
    path.write_bytes(content)
    with pytest.raises(CasaError, match="damaged"):
        unseal(path, [PASSWORD])


def test_a_file_that_is_not_encrypted_is_none(tmp_path):
    path = tmp_path / "backup"
    path.write_bytes(archive())
    with pytest.raises(CasaError, match="it is not encrypted"):
        unseal(path, [PASSWORD])


def test_a_member_that_is_not_as_it_was_saved_is_named():
    content = archive(files={"tls/server-ca.key": b"x"})
    members = {"manifest.json": b"", "tls/server-ca.key": b"another"}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members["manifest.json"] = tar.extractfile("manifest.json").read()
    with pytest.raises(CasaError, match=r"not as they were saved: tls/server-ca\.key"):
        read_archive(packed(members), "it")


def test_a_member_too_much_is_named():
    content = archive()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}
    with pytest.raises(CasaError, match="not as they were saved: extra"):
        read_archive(packed(members | {"extra": b""}), "it")


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", ".hidden"])
def test_a_name_that_leads_out_is_refused(name):
    with pytest.raises(CasaError, match="is no backup of a cluster"):
        read_archive(archive(files={name: b""}), "it")


def test_a_link_is_refused():
    members = {"manifest.json": b"{}", "datastore/snap": b""}
    with pytest.raises(CasaError, match="is no backup of a cluster"):
        read_archive(packed(members, {"datastore/snap": tarfile.SYMTYPE}), "it")


def test_a_backup_of_something_else_is_refused():
    with pytest.raises(CasaError, match="is a backup of pool, not of a cluster"):
        read_archive(archive(kind="pool"), "it")


def test_a_newer_format_is_refused():
    with pytest.raises(CasaError, match="newer casa-install"):
        read_archive(archive(format=2), "it")


def test_what_is_no_archive_is_damaged(tmp_path):
    path = tmp_path / "backup"
    path.write_bytes(encrypt(b"no archive at all", PASSWORD))
    with pytest.raises(CasaError, match="damaged"):
        unseal(path, [PASSWORD])


def test_no_backup_replaces_another(tmp_path):
    first = seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    before = first.read_bytes()
    with pytest.raises(CasaError, match="cannot be written: File exists"):
        seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    assert first.read_bytes() == before
    assert list(tmp_path.iterdir()) == [first]


def test_what_cannot_be_read_back_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(backup_file, "decrypt", lambda *_: b"other bytes")
    with pytest.raises(CasaError, match="is not what was written"):
        seal(read_archive(archive(), "it"), PASSWORD, tmp_path)
    assert list(tmp_path.iterdir()) == []
