"""What upgrade, backup, restore, certs and adopt refuse before any host is asked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from casa_install.cluster.backup_file import read_archive, seal
from casa_install.site.vault import VaultPassword, encrypt

if TYPE_CHECKING:
    from pathlib import Path

CLUSTER = """\
all:
  vars:
    site_name: Test
    site_domain: example.org
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    k3s_server: {hosts: {s1: {}}}
    k3s_agent: {hosts: {a1: {}}}
"""
SECRETS = """\
k3s_token: a-token-of-servers-0123456789
k3s_agent_token: a-token-of-agents-0123456789
"""
ADOPTED = """\
all:
  vars: {site_name: Test, site_domain: example.org, k3s_adopt_kubeconfig: KUBECONFIG}
  children:
    notebook: {hosts: {n1: {}}}
"""
PASSWORD = VaultPassword("default", b"the site's password")
OLDER = VaultPassword("default", b"the password of another day")


@pytest.fixture
def site(casa):
    """A site with a cluster of its own, and a vault password."""
    casa.write("cluster/k3s.yml", CLUSTER)
    secrets = encrypt(SECRETS.encode(), PASSWORD).decode()
    casa.write("cluster/group_vars/all/secrets.yml", secrets)
    casa.write("password", PASSWORD.secret.decode() + "\n").chmod(0o600)
    return casa


def backup_file(directory: Path, site: str = "Test", password: VaultPassword = PASSWORD) -> Path:
    content = b"data"
    manifest = {
        "format": 1,
        "kind": "k3s",
        "site": site,
        "version": "v1.21.3+k3s1",
        "datastore": "etcd",
        "node": "s1",
        "made": 1_800_000_000,
        "files": {"datastore/snap": hashlib.sha256(content).hexdigest()},
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in (("manifest.json", json.dumps(manifest).encode()), ("datastore/snap", content)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return seal(read_archive(out.getvalue(), "it"), password, directory)


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        (["upgrade"], "k3s_server or k3s_agent"),
        (["backup", "--vault-password-file", "password"], "k3s_server"),
        (["restore", "file"], "k3s_server"),
        (["certs", "k3s"], "k3s_server or k3s_agent"),
        (["certs", "rotate-k3s", "--yes"], "k3s_server or k3s_agent"),
    ],
)
def test_a_site_without_a_cluster_is_refused(site, words, groups):
    done = site.run(*words, "-i", "hosts.yml")
    assert done.returncode == 2
    assert f"hosts.yml has no host in {groups}; nothing was done." in done.stderr
    assert site.runs() == []


@pytest.mark.parametrize("batch", ["0", "0%", "101%", "many", "-1", "1.5"])
def test_a_batch_that_is_none_is_refused(site, batch):
    done = site.run("upgrade", "-i", "cluster/k3s.yml", f"--batch={batch}")
    assert done.returncode == 2
    assert f"--batch {batch} is neither a number of hosts nor a share" in done.stderr


def test_a_backup_is_only_written_encrypted(site):
    done = site.run("backup", "-i", "cluster/k3s.yml")
    assert done.returncode == 2
    assert "only written encrypted; no vault password was given" in " ".join(done.stderr.split())
    assert site.runs() == []


def test_a_backup_goes_into_a_directory(site):
    done = site.run("backup", "-i", "cluster/k3s.yml", "-o", "password", "--vault-password-file", "password")
    assert done.returncode == 2
    assert "password is no directory; nothing was done." in done.stderr


def test_a_wrong_vault_password_restores_nothing(site):
    file = backup_file(site.site, password=OLDER)
    done = site.run(
        "restore", str(file), "-i", "cluster/k3s.yml", "--vault-password-file", "password", "--yes"
    )
    assert done.returncode == 2
    assert "none of the given vault passwords is its own, or it is damaged" in done.stderr
    assert site.runs() == []


def test_without_a_vault_password_nothing_is_restored(site):
    done = site.run("restore", str(backup_file(site.site)), "-i", "cluster/k3s.yml", "--yes")
    assert done.returncode == 2
    assert "no vault password was given" in done.stderr


def test_a_damaged_file_restores_nothing(site):
    file = backup_file(site.site)
    file.write_bytes(file.read_bytes()[:-81])
    done = site.run(
        "restore", str(file), "-i", "cluster/k3s.yml", "--vault-password-file", "password", "--yes"
    )
    assert done.returncode == 2
    assert "damaged" in done.stderr
    assert site.runs() == []


def test_a_restore_asks_first(site):
    file = backup_file(site.site)
    done = site.run("restore", str(file), "-i", "cluster/k3s.yml", "--vault-password-file", "password")
    assert done.returncode == 2
    assert "Backup of the site Test: k3s v1.21.3+k3s1, etcd, saved on s1 2027-01-15 08:00 UTC." in done.stderr
    assert "There is no terminal to ask on whether to go on; nothing was done." in done.stderr
    assert site.runs() == []


def test_another_sites_backup_is_refused_before_a_host_is_looked_at(site):
    file = backup_file(site.site, "Elsewhere")
    done = site.run(
        "restore", str(file), "-i", "cluster/k3s.yml", "--vault-password-file", "password", "--yes"
    )
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "The backup is of the site `Elsewhere`, and this inventory is of `Test`; nothing was done." in said
    (run,) = site.runs()
    assert not (run / "plain").exists()
    assert "data" not in {path.read_text() for path in run.rglob("*") if path.is_file()}


def test_a_rotation_asks_first(site):
    done = site.run("certs", "rotate-k3s", "-i", "cluster/k3s.yml")
    assert done.returncode == 2
    assert "There is no terminal to ask on whether to go on; nothing was done." in done.stderr
    assert site.runs() == []


def test_a_site_with_its_own_cluster_adopts_none(site):
    done = site.run("adopt", "-i", "cluster/k3s.yml")
    assert done.returncode == 2
    assert "This site installs a cluster of its own (k3s_agent, k3s_server)" in done.stderr


def test_a_kubeconfig_that_others_can_read_is_refused(site):
    kubeconfig = site.write("kubeconfig", "clusters: []\n")
    kubeconfig.chmod(0o644)
    site.write("adopted.yml", ADOPTED.replace("KUBECONFIG", str(kubeconfig)))
    done = site.run("adopt", "-i", "adopted.yml")
    assert done.returncode != 0
    assert str(kubeconfig) in " ".join(done.stderr.split())
    assert "chmod" in done.stderr


def test_a_kubeconfig_that_is_not_there_is_refused(site):
    site.write("adopted.yml", ADOPTED.replace("KUBECONFIG", "/no/such/kubeconfig"))
    done = site.run("adopt", "-i", "adopted.yml")
    assert done.returncode == 2
    assert "There is no kubeconfig /no/such/kubeconfig." in done.stderr


def test_nothing_to_adopt_is_said(site):
    done = site.run("adopt", "-i", "hosts.yml")
    assert done.returncode == 2
    assert "hosts.yml does not set k3s_adopt_kubeconfig in plain words." in done.stderr
