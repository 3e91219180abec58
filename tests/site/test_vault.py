from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from casa_install.cli.app import run
from casa_install.errors import CasaError
from casa_install.site.check import check_site
from casa_install.site.vault import VaultPassword, decrypt, load_passwords

if TYPE_CHECKING:
    from collections.abc import Callable

PASSWORD = b"canary-password"


def encrypted(text: str, label: str | None = None) -> bytes:
    secret = VaultSecret(PASSWORD)
    return bytes(VaultLib([(label or "default", secret)]).encrypt(text, secret=secret, vault_id=label))


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_bytes(PASSWORD + b"\n")
    return path


def test_a_repr_hides_the_password() -> None:
    assert "canary" not in repr(VaultPassword("default", PASSWORD))


def test_with_the_password_the_file_is_checked_and_no_message_repeats_it(site: Callable[..., Path]) -> None:
    content = encrypted("htcondor_source: canary-secret\nhtcondor_sorce: canary-secret\nsite_domain: a\n")
    path = site({"group_vars/all/vault.yml": content, "group_vars/all/site.yml": "site_name: a\n"})
    assert check_site([path]).ok
    report = check_site([path], vault_passwords=[VaultPassword("default", PASSWORD)])
    assert [finding.line for finding in report.findings] == [1, 2]
    assert report.notes == ()
    assert "canary" not in repr(report)


def test_a_placeholder_in_a_secret_is_found(site: Callable[..., Path]) -> None:
    path = site({"group_vars/all/vault.yml": encrypted("pool_password: CHANGEME\n")})
    report = check_site([path], vault_passwords=[VaultPassword("default", PASSWORD)])
    assert "placeholder" in report.findings[0].message


def test_a_wrong_password_is_a_finding_and_changes_nothing(site: Callable[..., Path]) -> None:
    path = site({"group_vars/all/vault.yml": encrypted("a: 1\n", "prod")})
    before = (path / "group_vars/all/vault.yml").read_bytes()
    report = check_site([path], vault_passwords=[VaultPassword("default", b"wrong")])
    assert "None of the given vault passwords opens this file (vault id `prod`)" in report.findings[0].message
    assert (path / "group_vars/all/vault.yml").read_bytes() == before


def test_a_cut_vault_file_is_a_finding(site: Callable[..., Path]) -> None:
    for content in (b"$ANSIBLE_VAULT;", b"$ANSIBLE_VAULT;1.1;AES256\nzz\n", encrypted("a: 1")[:-20]):
        path = site({"group_vars/all/vault.yml": content})
        report = check_site([path], vault_passwords=[VaultPassword("default", PASSWORD)])
        assert len(report.findings) == 1


def test_passwords_come_from_file_script_label_and_prompt(tmp_path: Path, password_file: Path) -> None:
    script = tmp_path / "keyring-client"
    script.write_text('#!/bin/sh\necho "canary $1 $2"\n')
    script.chmod(0o700)
    found = load_passwords(
        password_files=[password_file],
        vault_ids=[f"prod@{script}", str(password_file), "dev@prompt"],
        ask=True,
        prompt=lambda text: f"typed for {text}",
    )
    assert [(p.label, p.secret) for p in found] == [
        ("prod", b"canary --vault-id prod"),
        ("default", PASSWORD),
        ("dev", b"typed for Vault password (dev):"),
        ("default", PASSWORD),
        ("default", b"typed for Vault password (default):"),
    ]
    assert decrypt(encrypted("a: 1\n"), found, Path("x")) == b"a: 1\n"


def test_a_bad_source_is_refused(tmp_path: Path) -> None:
    empty, failing = tmp_path / "empty", tmp_path / "failing"
    empty.write_text("\n")
    failing.write_text("#!/bin/sh\nexit 3\n")
    failing.chmod(0o700)
    for path, message in (
        (tmp_path / "none", "does not exist"),
        (empty, "is empty"),
        (failing, "failed with status 3"),
    ):
        with pytest.raises(CasaError, match=message) as raised:
            load_passwords(password_files=[path])
        assert raised.value.exit_code == 2


def test_nobody_to_ask_is_refused_with_a_way_out() -> None:
    def nobody(_: str) -> str:
        raise EOFError

    with pytest.raises(CasaError) as raised:
        load_passwords(ask=True, prompt=nobody)
    assert "--vault-password-file" in raised.value.hint


def test_the_command_line_takes_the_password_file(
    site: Callable[..., Path], password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = site({"group_vars/all/vault.yml": encrypted("htcondor_sorce: x\n")})
    assert run(["validate", "-i", str(path)]) == 0
    assert "is encrypted and was not read" in " ".join(capsys.readouterr().err.split())
    assert run(["validate", "-i", str(path), "--vault-password-file", str(password_file)]) == 2
    assert "did you mean `htcondor_source`?" in capsys.readouterr().err
