"""The cluster's kubeconfig on the admin's computer."""

from __future__ import annotations

import base64
import hashlib
import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from casa_install.cluster.kubeconfig import authority_digest, client_digest, main, rewritten
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = b"-----BEGIN CERTIFICATE-----\nnot really\n-----END CERTIFICATE-----\n"
K3S = f"""\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {base64.b64encode(AUTHORITY).decode()}
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {{}}
users:
- name: default
  user:
    client-certificate-data: Y2VydGlmaWNhdGU=
    client-key-data: c2VjcmV0
"""


def test_it_leads_to_the_cluster_under_the_sites_name() -> None:
    found = yaml.safe_load(rewritten(K3S, "https://api.casa.test:6443", "T3 Example"))
    assert found["clusters"][0]["cluster"]["server"] == "https://api.casa.test:6443"
    assert found["current-context"] == "T3-Example"
    assert found["contexts"] == [
        {"name": "T3-Example", "context": {"cluster": "T3-Example", "user": "T3-Example-admin"}}
    ]
    assert found["users"][0]["user"]["client-key-data"] == "c2VjcmV0"


def test_what_is_fetched_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    source, kept = tmp_path / "kubeconfig.new", tmp_path / "kubeconfig"
    source.write_text(K3S)
    assert main([str(source), str(kept), "https://api:6443", "casa"]) == 0
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["kubeconfig"]


@pytest.mark.parametrize("text", ["", "a: [", "clusters: []", "[]", K3S.replace("users:", "people:")])
def test_what_is_none_is_refused_and_the_old_one_stays(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, kept = tmp_path / "kubeconfig.new", tmp_path / "kubeconfig"
    source.write_text(text)
    kept.write_text("old")
    assert main([str(source), str(kept), "https://api:6443", "casa"]) == 1
    assert "is no kubeconfig" in capsys.readouterr().err
    assert kept.read_text() == "old"
    assert not source.exists()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "kubeconfig"
    place.mkdir()
    source = tmp_path / "new"
    source.write_text(K3S)
    assert main([str(source), str(place), "https://api:6443", "casa"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kubeconfig"]


def test_digests_are_those_that_k3s_and_the_host_compute(tmp_path: Path) -> None:
    kept = tmp_path / "kubeconfig"
    kept.write_text(rewritten(K3S, "https://api:6443", "casa"))
    assert authority_digest(kept) == hashlib.sha256(AUTHORITY).hexdigest()
    certificate = hashlib.sha256(b"Y2VydGlmaWNhdGU=").hexdigest()
    assert client_digest(kept) == certificate
    assert client_digest(kept, "https://api:6443") == certificate
    assert client_digest(kept, "https://other:6443") == "", "it is fetched anew"


@pytest.mark.parametrize(
    "text", [None, "", "users: {}", "clusters: [{cluster: {certificate-authority-data: '*'}}]"]
)
def test_without_one_there_is_no_digest(text: str | None, tmp_path: Path) -> None:
    kept = tmp_path / "kubeconfig"
    if text is not None:
        kept.write_text(text)
    assert authority_digest(kept) == ""
    assert client_digest(kept) == ""


def test_an_error_is_told_as_a_sentence() -> None:
    with pytest.raises(CasaError, match=r"k3s\.yaml is no kubeconfig of k3s"):
        rewritten("{}", "https://api:6443", "casa")
