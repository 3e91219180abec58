"""`casa-install certs`: the site's own certificate authority."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from casa_install.cli import certs_k3s
from casa_install.errors import CasaError, ExitCode

_DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
"""At least two labels (RFC 1123): an authority for a whole top-level domain is limited to nothing."""

_HELP = "Make the site's own certificate authority; show and renew k3s's certificates."

certs_app = typer.Typer(help=_HELP, no_args_is_help=True)
certs_app.command("k3s")(certs_k3s.show)
certs_app.command("rotate-k3s")(certs_k3s.rotate)


@certs_app.callback()
def certs() -> None:
    """Make the site's own certificate authority."""


@certs_app.command("ca")
def ca(
    inventory: Annotated[
        str | None,
        typer.Option("--inventory", "-i", envvar="ANSIBLE_INVENTORY", help="Where to write the authority."),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="A domain that it may sign for. May be repeated.", show_default="site_domain"),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=7300, help="How long it is valid.")] = 3650,
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
    """Make an authority and write it into an inventory: the certificate to read, the key encrypted."""
    from datetime import UTC, datetime, timedelta

    from casa_install.report.messages import say
    from casa_install.site.vault import encrypt, load_passwords
    from casa_install.trust.authority import make_authority
    from casa_install.trust.inventory_files import write_authority

    base = _base(inventory)
    passwords = load_passwords(
        password_files=[Path(name) for name in vault_password_file or ()],
        vault_ids=vault_id or (),
        ask=ask_vault_pass,
    )
    if not passwords:
        raise CasaError(
            "The authority's key is only written encrypted, and no vault password was given.",
            hint="Give --vault-password-file FILE, --vault-id or --ask-vault-pass.",
            exit_code=ExitCode.USAGE,
        )
    name, domains = _names(Path(str(inventory)), domain or [])
    made = make_authority(f"{name} CA", domains=domains, lifetime=timedelta(days=days), now=datetime.now(UTC))
    for path in write_authority(base, made, lambda text: encrypt(text, passwords[0])):
        typer.echo(f"wrote {path}")
    say(
        "Note",
        f"It may sign for hosts in {', '.join(domains)}. Keep the vault's password: renewals need it.",
    )
    say("Next", f"casa-install site.yml -i {inventory}")


def _base(inventory: str | None) -> Path:
    """The directory in which an inventory's variables lie."""
    path = Path(inventory) if inventory else None
    if path is None or not path.exists():
        raise CasaError(
            f"There is no inventory {path}." if path else "No inventory was named.",
            hint="Name yours with -i, for example `casa-install certs ca -i mysite/hosts.yml`.",
            exit_code=ExitCode.USAGE,
        )
    return path if path.is_dir() else path.parent


def _names(inventory: Path, domains: list[str]) -> tuple[str, list[str]]:
    """The site's name, and the domains as given or else the site's own.

    Raises:
        CasaError: The inventory does not say which, or a domain is no DNS name.
    """
    from casa_install.site.inventory import load_inventory
    from casa_install.site.plain import plain_value

    site = load_inventory([inventory])
    found = domains or [domain for domain in [plain_value(site, "site_domain")] if domain]
    if not found:
        raise CasaError(
            f"{inventory} does not say the site's domain in plain words.",
            hint="Set `site_domain` there, or give --domain.",
            exit_code=ExitCode.USAGE,
        )
    for one in found:
        if not _DOMAIN.fullmatch(one):
            raise CasaError(
                f"`{one}` is no domain that an authority may be limited to.",
                hint="Give one with at least two parts, for example t3.example.org.",
                exit_code=ExitCode.USAGE,
            )
    return plain_value(site, "site_name") or found[0], found
