"""`casa-install tokens`: secrets that a cluster of the site is made with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casa_install.errors import CasaError, ExitCode

tokens_app = typer.Typer(help="Make the secrets of a k3s cluster.", no_args_is_help=True)


@tokens_app.callback()
def tokens() -> None:
    """Make the secrets of a k3s cluster."""


@tokens_app.command("k3s")
def k3s(
    inventory: Annotated[
        str | None,
        typer.Option("--inventory", "-i", envvar="ANSIBLE_INVENTORY", help="Where to write them."),
    ] = None,
    vault_password_file: Annotated[
        list[str] | None, typer.Option("--vault-password-file", help="File or script.")
    ] = None,
    ask_vault_pass: Annotated[
        bool, typer.Option("--ask-vault-pass", "-J", help="Ask for the vault's password.")
    ] = False,
    vault_id: Annotated[
        list[str] | None, typer.Option("--vault-id", help="label@file or label@prompt.")
    ] = None,
) -> None:
    """Make the tokens with which servers and agents join, and write them into an inventory, encrypted."""
    from casa_install.cluster.token_file import VARIABLES, write_tokens
    from casa_install.report.messages import say
    from casa_install.site.inventory import load_inventory
    from casa_install.site.vault import encrypt, load_passwords

    path = Path(inventory) if inventory else None
    if path is None or not path.exists():
        raise CasaError(
            f"There is no inventory {path}." if path else "No inventory was named.",
            hint="Name yours with -i, for example `casa-install tokens k3s -i mysite/hosts.yml`.",
            exit_code=ExitCode.USAGE,
        )
    passwords = load_passwords(
        password_files=[Path(name) for name in vault_password_file or ()],
        vault_ids=vault_id or (),
        ask=ask_vault_pass,
    )
    if not passwords:
        raise CasaError(
            "Tokens are only written encrypted, and no vault password was given.",
            hint="Give --vault-password-file FILE, --vault-id or --ask-vault-pass.",
            exit_code=ExitCode.USAGE,
        )
    for definition in load_inventory([path]).definitions:
        if definition.name in VARIABLES:
            raise CasaError(
                f"{definition.place}: {definition.name} is set here already.",
                hint="A cluster keeps the token with which it was made; for a new one, take it out first.",
                exit_code=ExitCode.USAGE,
            )
    base = path if path.is_dir() else path.parent
    typer.echo(f"wrote {write_tokens(base, lambda text: encrypt(text, passwords[0]))}")
    say("Note", "Keep the vault's password: every run needs it, and so does a restore of the cluster.")
    say("Next", f"casa-install site.yml -i {inventory}")
