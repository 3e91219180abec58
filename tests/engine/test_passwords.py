"""Which passwords are asked, and how they reach Ansible."""

import pytest

from casa_install.engine.passwords import Wanted, gather_passwords
from casa_install.errors import CasaError


def ask(prompt):
    return f"answer to {prompt.strip(': ')}"


def test_asked_passwords_are_announced_and_answered():
    found = gather_passwords(
        Wanted(ask_pass=True, ask_become_pass=True, ask_vault_pass=True), environ={}, ask=ask
    )
    assert found.arguments == ["--ask-pass", "--ask-become-pass", "--vault-id=default@prompt"]
    assert found.answers["SSH password:"] == "answer to SSH password"
    assert found.answers[r"Vault password \(default\):"] == "answer to Vault password (default)"
    assert "answer" not in repr(found)


def test_plain_file_is_left_to_ansible_and_read_for_the_site_check(tmp_path):
    path = tmp_path / "pass"
    path.write_text("word\n")
    path.chmod(0o600)
    found = gather_passwords(Wanted(vault_ids=[f"prod@{path}"]), environ={}, ask=ask)
    assert found.arguments == [f"--vault-id=prod@{path}"]
    assert found.answers == {}
    assert [(password.label, password.secret) for password in found.vault] == [("prod", b"word")]


def test_two_passwords_of_one_label_get_prompts_of_their_own():
    found = gather_passwords(Wanted(vault_ids=["a@prompt", "a@prompt"]), environ={}, ask=ask)
    assert found.arguments == ["--vault-id=a@prompt", "--vault-id=a_2@prompt"]
    assert len(found.answers) == 2


def test_password_file_of_the_environment_is_used(tmp_path):
    path = tmp_path / "pass"
    path.write_text("word\n")
    path.chmod(0o600)
    found = gather_passwords(Wanted(), environ={"ANSIBLE_VAULT_PASSWORD_FILE": str(path)}, ask=ask)
    assert [password.secret for password in found.vault] == [b"word"]


def test_script_whose_password_cannot_be_typed_is_refused(tmp_path):
    path = tmp_path / "script"
    path.write_text("#!/bin/sh\nprintf 'one\\ntwo'\n")
    path.chmod(0o700)
    with pytest.raises(CasaError, match="not one line"):
        gather_passwords(Wanted(vault_password_files=[str(path)]), environ={}, ask=ask)
