"""Accounts of this host: what NSS knows, and useradd."""

from __future__ import annotations

import grp
import pwd
import subprocess
from typing import TYPE_CHECKING

from casa_hub.accounts import AccountError, Host, Keeper, Person, Registry

if TYPE_CHECKING:
    from casa_hub.settings import Settings


def keeper(site: Settings) -> Keeper:
    """Return what gives accounts on this host by the site's rule."""

    def make(name: str, uid: int) -> int:
        return _make(name, uid, site)

    return Keeper(
        registry=Registry(site.state_directory / "accounts.json"),
        host=Host(look_up=look_up, has_group=_has_group, make=make),
        made=site.accounts.rule == "made",
        uid_min=site.accounts.uid_min,
        domain=site.login.domain,
    )


def look_up(name: str) -> Person | None:
    """Return the account that any source of the host knows by that name."""
    try:
        return Person(pwd.getpwnam(name).pw_uid)
    except KeyError:
        return None


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _make(name: str, uid: int, site: Settings) -> int:
    rule = site.accounts
    span = [f"--key={which}_{end}={value}" for which in ("UID", "GID") for end, value in
            (("MIN", rule.uid_min), ("MAX", rule.uid_max))]  # fmt: skip
    command = [
        "useradd",
        "--create-home",
        "--user-group",
        f"--base-dir={rule.home}",
        f"--shell={rule.shell}",
        *span,
    ]
    if uid:
        command.append(f"--uid={uid}")
    done = subprocess.run(
        [*command, "--comment=made by casa-hub", "--", name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    person = look_up(name)
    if done.returncode or person is None:
        raise AccountError(f"the account {name} could not be made: {done.stderr.strip()}")
    return person.uid
