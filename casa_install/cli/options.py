"""The options that verbs share, and what a command line with them asks for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.engine.passwords import Passwords, Wanted
    from casa_install.engine.playbook import Playbook
    from casa_install.site.check import SiteReport

_ASK, _OUT = "Passwords", "Output"

Inventory = Annotated[
    list[str] | None,
    typer.Option(
        "--inventory", "-i", envvar="ANSIBLE_INVENTORY", help="May be repeated; later ones override."
    ),
]
Limit = Annotated[str | None, typer.Option("--limit", "-l", help="Only these hosts.")]
Tags = Annotated[list[str] | None, typer.Option("--tags", "-t", help="Only these tags.")]
SkipTags = Annotated[list[str] | None, typer.Option("--skip-tags", help="Not these tags.")]
ExtraVars = Annotated[list[str] | None, typer.Option("--extra-vars", "-e", help="name=value, or @file.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="More in the log.")]
Forks = Annotated[
    int | None, typer.Option("--forks", "-f", min=1, help="Hosts at once; else 8 per core, at most 32.")
]
User = Annotated[str | None, typer.Option("--user", "-u", help="Log in as this user.")]
PrivateKey = Annotated[str | None, typer.Option("--private-key", help="SSH key file.")]
AskPass = Annotated[
    bool, typer.Option("--ask-pass", "-k", help="Ask for the SSH password.", rich_help_panel=_ASK)
]
AskBecomePass = Annotated[
    bool, typer.Option("--ask-become-pass", "-K", help="Ask for sudo's password.", rich_help_panel=_ASK)
]
AskVaultPass = Annotated[
    bool, typer.Option("--ask-vault-pass", "-J", help="Ask for the vault's.", rich_help_panel=_ASK)
]
VaultPasswordFile = Annotated[
    list[str] | None, typer.Option("--vault-password-file", help="File or script.", rich_help_panel=_ASK)
]
VaultId = Annotated[
    list[str] | None, typer.Option("--vault-id", help="label@file or @prompt.", rich_help_panel=_ASK)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output.", rich_help_panel=_OUT)
]
Plain = Annotated[bool, typer.Option("--plain", help="No live display.", rich_help_panel=_OUT)]
AnsibleArgument = Annotated[list[str] | None, typer.Option("--ansible-argument", hidden=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleOptions:
    """Options that go to ansible-playbook under the names that they have there."""

    limit: str | None = None
    tags: Sequence[str] | None = None
    skip_tags: Sequence[str] | None = None
    extra_vars: Sequence[str] | None = None
    check: bool = False
    diff: bool = False
    verbose: int = 0
    forks: int | None = None
    user: str | None = None
    private_key: str | None = None
    rest: Sequence[str] | None = None
    """Words that were given after `--`."""

    def words(self, hosts: int) -> list[str]:
        """Return the arguments of ansible-playbook for a site with so many hosts."""
        from casa_install.engine.settings import default_forks

        single = {"limit": self.limit, "user": self.user, "private-key": self.private_key}
        repeated = {"tags": self.tags, "skip-tags": self.skip_tags, "extra-vars": self.extra_vars}
        words = [f"--forks={self.forks or default_forks(hosts)}"]
        words += [f"--{name}={value}" for name, value in single.items() if value]
        words += [f"--{name}={value}" for name, values in repeated.items() for value in values or ()]
        words += [word for word, given in (("--check", self.check), ("--diff", self.diff)) if given]
        words += ["-" + "v" * self.verbose] if self.verbose else []
        return [*words, *(self.rest or ())]


@dataclass(frozen=True, slots=True)
class Target:
    """The site that a command line means, checked."""

    playbook: Playbook
    inventories: Sequence[str]
    passwords: Passwords
    site: SiteReport


def read_target(
    playbook: str, inventory: Sequence[str] | None, wanted: Wanted, extra_vars: Sequence[str] | None
) -> Target:
    """Find the playbook and the inventory, ask for passwords and check the site's files.

    Raises:
        CasaError: Something is missing, or the site has mistakes, which have been printed. Nothing was done.
    """
    from casa_install.engine.passwords import gather_passwords
    from casa_install.engine.playbook import resolve_playbook

    book = resolve_playbook(playbook)
    inventories = _inventories(inventory or ())
    passwords = gather_passwords(wanted)
    return Target(book, inventories, passwords, _checked_site(inventories, book, passwords, extra_vars or ()))


def require_hosts(target: Target, groups: Sequence[str]) -> None:
    """Refuse a site without a host in one of these groups.

    Raises:
        CasaError: It has none.
    """
    if not any(target.site.groups.get(group) for group in groups):
        raise CasaError(
            f"{', '.join(target.inventories)} has no host in {' or '.join(groups)}; nothing was done.",
            hint="Put hosts into these groups, or name another inventory.",
            exit_code=ExitCode.USAGE,
        )


def require_terminal(question: str, hint: str) -> None:
    """Refuse to ask where nobody can answer.

    Raises:
        CasaError: Standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise CasaError(
            f"There is no terminal to ask on {question}; nothing was done.",
            hint=hint,
            exit_code=ExitCode.USAGE,
        )


def _inventories(words: Sequence[str]) -> list[str]:
    from casa_install.engine.playbook import resolve_inventory
    from casa_install.report.messages import say

    if not words:
        raise CasaError(
            "No inventory was named.",
            hint="Name yours with -i, or try the lab: `casa-install lab up`, then `-i inventories/lab`.",
            exit_code=ExitCode.USAGE,
        )
    found = []
    for word in words:
        path, note = resolve_inventory(word)
        found.append(path)
        if note:
            say("Note", note)
    return found


def _checked_site(
    inventories: Sequence[str], playbook: Playbook, passwords: Passwords, extra_vars: Sequence[str]
) -> SiteReport:
    from casa_install.engine.command import extra_names
    from casa_install.report.mistakes import SiteMistakesError, mistake_lines
    from casa_install.site.check import check_site

    site = check_site(
        [Path(inventory) for inventory in inventories],
        playbook_dir=playbook.directory,
        vault_passwords=passwords.vault,
        extra_names=extra_names(extra_vars),
    )
    if not site.ok:
        print("\n".join(mistake_lines(site.findings)), file=sys.stderr)
        raise SiteMistakesError(site.findings)
    return site
