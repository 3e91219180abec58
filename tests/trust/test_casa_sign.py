"""The action casa_sign in a real play: which keys it takes, and which it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from casa_install.site.vault import VaultPassword, encrypt
from casa_install.trust.authority import Authority, make_authority
from casa_install.trust.leaf import make_request

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = VaultPassword("default", b"correct horse")

PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Sign
      casa.install.casa_sign:
        certificates: [{name: host, names: [a.example.test], purposes: [server]}]
        requests: "{{ asked | default({}) }}"
      register: done
    - name: Show
      ansible.builtin.debug: {var: done.signed}
"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("CA", domains=["example.test"], lifetime=timedelta(days=9), now=datetime.now(UTC))


def play(tmp_path: Path, variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the play with files of variables: name -> text."""
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "password").write_bytes(PASSWORD.secret)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    folder = tmp_path / "group_vars" / "all"
    folder.mkdir(parents=True)
    for name, text in variables.items():
        (folder / name).write_text(text, encoding="utf-8")
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.yml", "play.yml", "-vvv"]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".dev"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }
    return subprocess.run(
        [*argv, "--vault-password-file", "password", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_key_in_an_encrypted_file_signs_and_is_never_shown(tmp_path: Path, authority: Authority) -> None:
    key = encrypt(yaml.safe_dump({"trust_ca_key": authority.key_pem}).encode(), PASSWORD).decode()
    request = make_request(ec.generate_private_key(ec.SECP256R1()), ["b.example.test"])
    (tmp_path / "asked.json").write_text(json.dumps({"asked": {"host": request}}))
    done = play(
        tmp_path,
        {"ca.yml": yaml.safe_dump({"trust_ca_certificate": authority.certificate_pem}), "key.yml": key},
        "-e",
        "@asked.json",
    )
    assert done.returncode == 0, done.stdout
    assert "BEGIN CERTIFICATE" in done.stdout
    assert authority.key_pem.splitlines()[1] not in done.stdout + done.stderr


def test_a_single_encrypted_value_signs(tmp_path: Path, authority: Authority) -> None:
    text = encrypt(authority.key_pem.encode(), PASSWORD).decode()
    key = "trust_ca_key: !vault |\n" + "".join(f"  {line}\n" for line in text.splitlines())
    done = play(
        tmp_path,
        {"ca.yml": yaml.safe_dump({"trust_ca_certificate": authority.certificate_pem}), "key.yml": key},
    )
    assert done.returncode == 0, done.stdout


def test_a_key_that_is_looked_up_signs(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "kept.pem").write_text(authority.key_pem)
    key = yaml.safe_dump({"trust_ca_key": "{{ lookup('ansible.builtin.file', 'kept.pem') }}"})
    done = play(
        tmp_path,
        {"ca.yml": yaml.safe_dump({"trust_ca_certificate": authority.certificate_pem}), "key.yml": key},
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("where", ["file", "extra"])
def test_a_key_in_clear_text_is_refused_and_not_shown(
    tmp_path: Path, authority: Authority, where: str
) -> None:
    key = yaml.safe_dump({"trust_ca_key": authority.key_pem})
    (tmp_path / "extra.yml").write_text(key)
    variables = {"ca.yml": yaml.safe_dump({"trust_ca_certificate": authority.certificate_pem})}
    done = play(
        tmp_path,
        variables | ({"key.yml": key} if where == "file" else {}),
        *(("-e", "@extra.yml") if where == "extra" else ()),
    )
    assert done.returncode == 2
    assert "`trust_ca_key` stands in clear text in" in done.stdout
    assert ("key.yml" if where == "file" else "extra.yml") in done.stdout
    assert authority.key_pem.splitlines()[1] not in done.stdout + done.stderr


def test_a_certificate_that_the_host_may_not_have_is_refused(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "kept.pem").write_text(authority.key_pem)
    request = make_request(ec.generate_private_key(ec.SECP256R1()), ["a.example.test"])
    (tmp_path / "asked.json").write_text(json.dumps({"asked": {"other": request}}))
    values = {
        "trust_ca_certificate": authority.certificate_pem,
        "trust_ca_key": "{{ lookup('ansible.builtin.file', 'kept.pem') }}",
    }
    done = play(tmp_path, {"ca.yml": yaml.safe_dump(values)}, "-e", "@asked.json")
    assert done.returncode == 2
    assert "asked for certificates that it may not have: other" in done.stdout
