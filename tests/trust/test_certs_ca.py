"""`casa-install certs ca`: an authority in an inventory, its key encrypted or not at all."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from casa_install.cli.app import run
from casa_install.site.vault import VaultPassword, decrypt, is_vaulted
from casa_install.trust.authority import load_authority
from casa_install.trust.leaf import may_sign

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = """\
all:
  vars: {site_name: Example, site_domain: t3.example.org}
  hosts: {ep1: }
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "password").write_text("correct horse\n", encoding="utf-8")
    return folder


def arguments(site: Path, *more: str) -> list[str]:
    password = ["--vault-password-file", str(site.parent / "password")]
    return ["certs", "ca", "-i", str(site / "hosts.yml"), *password, *more]


def files(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_the_key_is_encrypted_and_belongs_to_the_certificate(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(site)) == 0
    folder = site / "group_vars" / "all"
    encrypted = (folder / "trust_ca_key.yml").read_bytes()
    assert is_vaulted(encrypted)
    assert stat.S_IMODE((folder / "trust_ca_key.yml").stat().st_mode) == 0o600
    password = VaultPassword("default", b"correct horse")
    key = yaml.safe_load(decrypt(encrypted, [password], folder))["trust_ca_key"]
    certificate = yaml.safe_load((folder / "trust_ca.yml").read_text())["trust_ca_certificate"]
    authority = load_authority(certificate, key)
    assert may_sign(authority.certificate, "ep1.t3.example.org")
    assert not may_sign(authority.certificate, "www.example.org")
    output = capsys.readouterr()
    assert key.splitlines()[1] not in output.out + output.err
    assert "t3.example.org" in output.err


def test_the_inventory_is_valid_afterwards(site: Path) -> None:
    assert run(arguments(site, "--domain", "a.example.org", "--domain", "b.example.org")) == 0
    password = ["--vault-password-file", str(site.parent / "password")]
    assert run(["validate", "-i", str(site), *password]) in (0, 2)
    from casa_install.site.check import check_site

    findings = check_site([site / "hosts.yml"], vault_passwords=[VaultPassword("default", b"correct horse")])
    assert [finding for finding in findings.findings if "trust" in str(finding)] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["certs", "ca", "-i", "SITE/hosts.yml"], "no vault password was given"),
        (["certs", "ca", "-i", "SITE/absent.yml"], "There is no inventory"),
        (["certs", "ca", "-i", "SITE/hosts.yml", "--domain", "org"], "is no domain that"),
        (["certs", "ca", "-i", "SITE/hosts.yml", "--domain", "a b.org"], "is no domain that"),
    ],
)
def test_refused_without_a_trace(
    site: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(site)
    given = [word.replace("SITE", str(site)) for word in words]
    if "--domain" in given:
        given += ["--vault-password-file", str(site.parent / "password")]
    assert run(given) == 2
    assert says in capsys.readouterr().err
    assert files(site) == before


def test_an_authority_that_is_there_is_kept(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(site)) == 0
    before = files(site)
    assert run(arguments(site)) == 2
    assert "is there already" in capsys.readouterr().err
    assert files(site) == before


def test_a_file_that_ansible_would_no_longer_read_is_named(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "group_vars").mkdir()
    (site / "group_vars" / "all.yml").write_text("a: 1\n", encoding="utf-8")
    before = files(site)
    assert run(arguments(site)) == 2
    assert "no longer read it" in capsys.readouterr().err
    assert files(site) == before


def test_a_key_in_clear_is_a_mistake_of_the_site(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = site / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "own.yml").write_text("trust_ca_key: c2VjcmV0\n", encoding="utf-8")
    assert run(["validate", "-i", str(site)]) == 2
    shown = capsys.readouterr().err
    assert "own.yml:1:1: `trust_ca_key` is a secret and is not encrypted" in shown
    assert "c2VjcmV0" not in shown


@pytest.mark.parametrize(
    "value", ["''", "\"{{ lookup('pipe', 'pass ca') }}\"", "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162"]
)
def test_a_key_that_is_not_in_clear_is_none(site: Path, value: str) -> None:
    from casa_install.site.check import check_site

    folder = site / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "own.yml").write_text(f"trust_ca_key: {value}\n", encoding="utf-8")
    assert [f for f in check_site([site]).findings if "secret" in f.message] == []
