"""casa-hub-accounts: which account each identity has, who seems to have several, and how to join them.

    casa-hub-accounts                                list
    casa-hub-accounts list --json
    casa-hub-accounts join ISSUER SUBJECT ACCOUNT    give an identity another account

The role has it as `/usr/local/sbin/casa-hub-accounts`: `python -m casa_hub.command` with the hub's Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from casa_hub.accounts import NAME, AccountError, Registry, join, look_alikes
from casa_hub.host_accounts import look_up
from casa_hub.settings import PATH, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_hub.accounts import Account


def listing(accounts: dict[str, Account]) -> str:
    """Return the accounts for people, and who seems to have several."""
    rows = [("ACCOUNT", "NAME AT THE PROVIDER", "E-MAIL", "SUBJECT", "ISSUER")]
    for account in accounts.values():
        rows += [(account.name, one.claim, one.email, one.subject, one.issuer) for one in account.identities]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for sign, names in look_alikes(accounts):
        lines.append(f"Perhaps one person: {sign} has the accounts {', '.join(names)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the process status."""
    parser = argparse.ArgumentParser(prog="casa-hub-accounts", description="Accounts of the hub's users")
    parser.add_argument("--settings", type=Path, default=PATH, help=argparse.SUPPRESS)
    verbs = parser.add_subparsers(dest="verb")
    lists = verbs.add_parser("list", help="show all identities and their accounts (the default)")
    lists.add_argument("--json", action="store_true")
    joins = verbs.add_parser("join", help="give an identity another account")
    for name in ("issuer", "subject", "account"):
        joins.add_argument(name)
    options = parser.parse_args(arguments)
    try:
        site = read_settings(options.settings)
        registry = Registry(site.state_directory / "accounts.json")
        if options.verb == "join":
            person = look_up(options.account)
            usable = person is not None and person.uid >= site.accounts.uid_min
            if not NAME.fullmatch(options.account) or not usable:
                print(f"Error: {options.account} is no account of a user on this host", file=sys.stderr)
                return 1
            account = join(registry, options.issuer, options.subject, options.account)
            print(f"{options.subject} of {options.issuer} has {account.name} from the next login on")
            return 0
        accounts = registry.read()
    except (AccountError, SettingsError, OSError) as fault:
        print(f"Error: {fault}", file=sys.stderr)
        return 1
    if getattr(options, "json", False):
        alike = [{"sign": sign, "accounts": names} for sign, names in look_alikes(accounts)]
        document = {"accounts": [asdict(account) for account in accounts.values()], "look_alikes": alike}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(listing(accounts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
