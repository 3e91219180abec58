"""Vault passwords and the files that they open.

Ansible's own vault code does the decryption. It is imported on first use only, because importing it
takes longer than the whole check of a site that has no secrets.
"""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEADER = b"$ANSIBLE_VAULT;"
_SCRIPT_TIMEOUT = 120
"""Seconds; a script may wait for a person to unlock a key ring."""


@dataclass(frozen=True, slots=True)
class VaultPassword:
    """A password in memory. Its text is in no `repr`, so it reaches no log.

    Args:
        label: The vault id that the password belongs to.
        secret: The password itself.
    """

    label: str
    secret: bytes = field(repr=False)


def is_vaulted(content: bytes) -> bool:
    """Tell whether a file's content as a whole is encrypted by Ansible Vault."""
    return content.startswith(_HEADER)


def vault_label(content: bytes) -> str:
    """Return the vault id that a vaulted file's header names, or `default`.

    Source: the file format 1.2 in Ansible's vault guide, `$ANSIBLE_VAULT;1.2;AES256;label`.
    """
    fields = content.split(b"\n", 1)[0].strip().split(b";")
    return fields[3].decode("utf-8", "replace") if len(fields) > 3 else "default"


def decrypt(content: bytes, passwords: Sequence[VaultPassword], path: Path) -> bytes:
    """Return the text of a vaulted file.

    Raises:
        CasaError: None of the passwords opens it.
    """
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    secrets = [(password.label, VaultSecret(password.secret)) for password in passwords]
    try:
        plain: bytes = VaultLib(secrets).decrypt(content)
    except (AnsibleError, ValueError) as error:
        raise CasaError(
            f"None of the given vault passwords opens this file (vault id `{vault_label(content)}`).",
            hint=f"Try it with `ansible-vault view {path}`.",
            exit_code=ExitCode.USAGE,
        ) from error
    return bytes(plain)


def encrypt(content: bytes, password: VaultPassword) -> bytes:
    """Return the text of a vaulted file that a password opens."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    label = None if password.label == "default" else password.label
    secrets = [(password.label, VaultSecret(password.secret))]
    return bytes(VaultLib(secrets).encrypt(content, secrets[0][1], vault_id=label))


def load_passwords(
    *,
    password_files: Sequence[Path] = (),
    vault_ids: Sequence[str] = (),
    ask: bool = False,
    prompt: Callable[[str], str] = getpass.getpass,
) -> tuple[VaultPassword, ...]:
    """Read every vault password that the command line names.

    Args:
        password_files: `--vault-password-file`: a file, or an executable that prints the password.
        vault_ids: `--vault-id`: `label@source` or `source`; the source `prompt` asks.
        ask: `--ask-vault-pass`.
        prompt: Asks a person without echo.

    Raises:
        CasaError: A source is missing, empty or fails.
    """
    found: list[VaultPassword] = []
    for vault_id in vault_ids:
        label, at, source = vault_id.rpartition("@")
        label = label if at and label else "default"
        if source in ("prompt", "prompt_ask_vault_pass"):
            found.append(_ask(label, prompt))
        else:
            found.append(_from_file(Path(source), label))
    found += [_from_file(path, "default") for path in password_files]
    if ask:
        found.append(_ask("default", prompt))
    return tuple(found)


def _ask(label: str, prompt: Callable[[str], str]) -> VaultPassword:
    try:
        secret = prompt(f"Vault password ({label}): ").strip()
    except EOFError as error:
        raise CasaError(
            "The vault password was to be asked, but there is nobody to answer.",
            hint="Without a terminal use --vault-password-file FILE.",
            exit_code=ExitCode.USAGE,
        ) from error
    return _nonempty(label, secret.encode(), "the answer")


def _from_file(path: Path, label: str) -> VaultPassword:
    path = path.expanduser()
    if not path.is_file():
        raise CasaError(
            f"The vault password file {path} does not exist or is no file.",
            hint="Name a file that holds the password, or an executable that prints it.",
            exit_code=ExitCode.USAGE,
        )
    try:
        executable = os.access(path, os.X_OK)
        secret = _output_of(path, label) if executable else path.read_bytes()
    except OSError as error:
        reason = error.strerror or error.__class__.__name__
        raise CasaError(
            f"The vault password file {path} cannot be read: {reason}.", exit_code=ExitCode.USAGE
        ) from error
    return _nonempty(label, secret.strip(b"\r\n").strip(), str(path))


def _output_of(script: Path, label: str) -> bytes:
    """Run a password script as Ansible does: one named `*-client*` is told the vault id."""
    command = [str(script.resolve())]
    if script.stem.endswith("-client"):
        command += ["--vault-id", label]
    try:
        # Its stderr stays on the terminal: a key ring may ask there.
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=_SCRIPT_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise CasaError(
            f"The vault password script {script} gave no answer within {_SCRIPT_TIMEOUT} s.",
            exit_code=ExitCode.USAGE,
        ) from error
    if done.returncode != 0:
        raise CasaError(
            f"The vault password script {script} failed with status {done.returncode}.",
            hint=f"Run it by hand: `{script}`.",
            exit_code=ExitCode.USAGE,
        )
    return done.stdout


def _nonempty(label: str, secret: bytes, source: str) -> VaultPassword:
    if not secret:
        raise CasaError(f"The vault password from {source} is empty.", exit_code=ExitCode.USAGE)
    return VaultPassword(label, secret)
