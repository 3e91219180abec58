"""`casa-install tokens k3s`: a cluster's secrets in an inventory, encrypted or not at all."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from casa_install.cli.app import run
from casa_install.cluster.tokens import token_findings
from casa_install.site.vault import VaultPassword, decrypt, is_vaulted

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = """\
all:
  vars: {site_name: Example, site_domain: t3.example.org}
  children:
    k3s_server: {hosts: {s1: }}
    k3s_agent: {hosts: {a1: }}
"""
FILE = "group_vars/all/k3s_tokens.yml"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "password").write_text("correct horse\n", encoding="utf-8")
    return folder


def arguments(site: Path) -> list[str]:
    password = ["--vault-password-file", str(site.parent / "password")]
    return ["tokens", "k3s", "-i", str(site / "hosts.yml"), *password]


def files(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_both_are_encrypted_and_good_for_a_cluster(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(site)) == 0
    content = (site / FILE).read_bytes()
    assert is_vaulted(content)
    assert stat.S_IMODE((site / FILE).stat().st_mode) == 0o600
    made = yaml.safe_load(decrypt(content, [VaultPassword("default", b"correct horse")], site / FILE))
    assert set(made) == {"k3s_token", "k3s_agent_token"}
    assert token_findings(made["k3s_token"], made["k3s_agent_token"], ["s1"], ["a1"]) == []
    output = capsys.readouterr()
    assert not [token for token in made.values() if token in output.out + output.err]
    assert FILE in output.out


def test_two_sites_never_get_the_same(site: Path) -> None:
    made = []
    for _ in range(2):
        assert run(arguments(site)) == 0
        path = site / FILE
        made.append(decrypt(path.read_bytes(), [VaultPassword("default", b"correct horse")], path))
        path.unlink()
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tokens", "k3s", "-i", "SITE/hosts.yml"], "no vault password was given"),
        (["tokens", "k3s", "-i", "SITE/absent.yml"], "There is no inventory"),
    ],
)
def test_refusals_write_nothing(
    site: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(site)
    assert run([word.replace("SITE", str(site)) for word in words]) == 2
    assert says in capsys.readouterr().err
    assert files(site) == before


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        (FILE, "k3s_token: a\n", "is set here already"),
        ("group_vars/all/site.yml", "k3s_agent_token: b\n", "site.yml:1"),
        (FILE, "other: a\n", "the cluster has its tokens"),
        ("group_vars/all.yml", "other: a\n", "Ansible would no longer read it"),
    ],
)
def test_what_is_there_stays(
    site: Path, path: str, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / path).parent.mkdir(parents=True, exist_ok=True)
    (site / path).write_text(text, encoding="utf-8")
    before = files(site)
    assert run(arguments(site)) == 2
    assert says in capsys.readouterr().err
    assert files(site) == before
