"""Passwords for a run: asked here, before Ansible starts, and typed into Ansible's own prompts.

So they are in no file, no argument and no environment. Ansible reads plain password files itself; a vault
password *script* is run here, once, because it may ask on a terminal, which Ansible in a run does not have.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode
from casa_install.site.vault import VaultPassword, load_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PROMPTS = ("prompt", "prompt_ask_vault_pass")
_TERMINAL_LINE = 4000
"""Bytes; a terminal takes no line longer than 4095 (termios(3), canonical mode)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The password options of a command line, named as ansible-playbook names them."""

    ask_pass: bool = False
    ask_become_pass: bool = False
    ask_vault_pass: bool = False
    vault_password_files: Sequence[str] = ()
    vault_ids: Sequence[str] = ()


@dataclass(slots=True)
class Passwords:
    """What was gathered.

    Args:
        arguments: For ansible-playbook; they say what it will ask.
        answers: What to type, by a regular expression for Ansible's prompt.
        vault: For reading the site's files.
    """

    arguments: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict, repr=False)
    vault: list[VaultPassword] = field(default_factory=list)


def gather_passwords(
    wanted: Wanted, *, environ: Mapping[str, str] = os.environ, ask: Callable[[str], str] | None = None
) -> Passwords:
    """Ask for the passwords that the command line announces.

    Args:
        wanted: Its options.
        environ: May name a vault password file, as for Ansible.
        ask: Asks a person without echo; the terminal if not given.

    Raises:
        CasaError: There is no terminal to ask on, or a source is missing, empty or fails.
    """
    ask = ask or _on_terminal
    found = Passwords()
    if wanted.ask_pass:
        found.arguments.append("--ask-pass")
        found.answers["SSH password:"] = ask("SSH password: ")
    if wanted.ask_become_pass:
        found.arguments.append("--ask-become-pass")
        found.answers[r"BECOME password.*:"] = ask("BECOME password: ")
    for vault_id in wanted.vault_ids:
        label, at, source = vault_id.rpartition("@")
        _add_vault(found, source, label if at and label else "default", ask)
    for path in wanted.vault_password_files:
        _add_vault(found, path, "default", ask)
    if wanted.ask_vault_pass:
        _add_vault(found, "prompt", "default", ask)
    named = environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
    if not found.vault and named:
        _add_vault(found, named, "default", ask)
    return found


def _add_vault(found: Passwords, source: str, label: str, ask: Callable[[str], str]) -> None:
    (password,) = load_passwords(vault_ids=[f"{label}@{source}"], prompt=ask)
    found.vault.append(password)
    path = Path(source).expanduser()
    if source not in _PROMPTS and not os.access(path, os.X_OK):
        found.arguments.append(f"--vault-id={label}@{path.resolve()}")
        return
    # A second password of one label gets a label of its own: the label names the prompt.
    taken = sum(1 for other in found.vault[:-1] if other.label == label)
    name = f"{label}_{taken + 1}" if taken else label
    found.arguments.append(f"--vault-id={name}@prompt")
    found.answers[rf"Vault password \({re.escape(name)}\):"] = _typeable(password, source)


def _typeable(password: VaultPassword, source: str) -> str:
    try:
        text = password.secret.decode()
    except UnicodeDecodeError:
        text = "\n"
    if "\n" in text or len(password.secret) > _TERMINAL_LINE:
        raise CasaError(
            f"The vault password from {source} is not one line of text of at most {_TERMINAL_LINE} bytes.",
            hint="It cannot be typed at Ansible's prompt; keep it in a plain file.",
            exit_code=ExitCode.USAGE,
        )
    return text


def _on_terminal(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise CasaError(
            f"A password was to be asked ({prompt.strip(' :')}), but there is no terminal.",
            hint="Use --vault-password-file FILE, or --become-password-file FILE after `--`.",
            exit_code=ExitCode.USAGE,
        )
    return getpass.getpass(prompt)
