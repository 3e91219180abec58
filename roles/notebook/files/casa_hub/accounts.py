"""Which account an identity has: stable for ever, and nobody else's.

An identity is what one provider says of one person: issuer and subject (`iss` and `sub` of OpenID Connect
Core 1.0, section 2, the only pair that is never given to somebody else). The registry keeps which account
each one has got. It is a JSON file that is only ever replaced as a whole, under a lock, so that the hub and
`casa-hub-accounts` can both write it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
import unicodedata
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONGEST = 32
"""Characters of an account's name: the limit of utmp and of useradd."""
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
LOCAL = "pam"
"""The issuer of identities that are accounts of the host."""


class AccountError(Exception):
    """There is no account for somebody; the text is for him."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What one provider says of one person.

    Attributes:
        issuer, subject: Name him for ever.
        claim: The name that the provider gives him, which may change.
        email: As the provider verified it; empty where it did not.
        name: His full name, for people.
    """

    issuer: str
    subject: str
    claim: str
    email: str = ""
    name: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What never changes."""
        return self.issuer, self.subject


@dataclass(frozen=True, slots=True)
class Account:
    """An account and whose it is.

    Attributes:
        name: On the host.
        identities: Whose; more than one only where an admin joined them.
        uid: Of an account that the hub made, so that it is the same if it has to be made again; else 0.
        since: When the first of them got it, in seconds since 1970.
    """

    name: str
    identities: tuple[Identity, ...] = ()
    uid: int = 0
    since: int = 0


def safe_name(claim: str, fallback: str) -> str:
    """Return an account name that is like a claim.

    Args:
        claim: Any text: a name, or an e-mail address of which the part before the last @ is taken.
        fallback: Takes the place of a claim of which no letter or digit can be written in ASCII.
    """
    local = claim.rpartition("@")[0] or claim
    plain = unicodedata.normalize("NFKD", local.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    text = re.sub(r"[^a-z0-9]+", "_", plain.encode("ascii", "ignore").decode().lower()).strip("_")
    if not text:
        text = fallback
    if not text[0].isalpha():
        text = "u" + text
    return text[:LONGEST].rstrip("_")


def candidates(identity: Identity) -> Iterator[str]:
    """Yield names for an identity, the nicest first; they depend on nothing but the identity."""
    digest = hashlib.sha256("\0".join(identity.key).encode()).hexdigest()
    base = safe_name(identity.claim, "user_" + digest[:8])
    yield base
    for length in (4, 8, 16):
        yield f"{base[: LONGEST - length - 1]}-{digest[:length]}"


class Registry:
    """The file that keeps which account each identity has."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Account]:
        """Return all accounts by name.

        Raises:
            AccountError: The file cannot be understood; guessing would give somebody another's account.
        """
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                name: Account(
                    name, tuple(Identity(**who) for who in one["identities"]), one["uid"], one["since"]
                )
                for name, one in said["accounts"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise AccountError(f"the registry of accounts cannot be read: {fault!r}") from fault

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Account]]:
        """Give all accounts to be changed, and write them when the block ends without an error."""
        handle = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            before = self.read()
            accounts = dict(before)
            yield accounts
            if accounts != before:
                self._write(accounts)
        finally:
            os.close(handle)

    def _write(self, accounts: dict[str, Account]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        beside.unlink(missing_ok=True)
        document: dict[str, Any] = {
            name: {key: value for key, value in asdict(account).items() if key != "name"}
            for name, account in sorted(accounts.items())
        }
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"version": 1, "accounts": document}, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self._path)


@dataclass(frozen=True, slots=True)
class Person:
    """One line of a host's passwd database, with what matters here."""

    uid: int


@dataclass(frozen=True, slots=True)
class Host:
    """What accounts need of a host; tests have another one.

    Attributes:
        look_up: Name -> the account that the host knows by that name, from any source (NSS), or None.
        has_group: Whether the host knows a group by that name.
        make: Makes an account: its name, the uid that it had before or 0; returns the uid that it has.
    """

    look_up: Callable[[str], Person | None]
    has_group: Callable[[str], bool]
    make: Callable[[str, int], int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Gives accounts by a site's rule.

    Attributes:
        registry: Remembers them.
        host: Where they are.
        made: Whether accounts are made; else they must exist.
        uid_min: Accounts below are the system's, and nobody logs in to them.
        domain: Taken off a claim `name@domain` before an existing account is looked for.
    """

    registry: Registry
    host: Host
    made: bool = False
    uid_min: int = 1000
    domain: str = ""

    def account_of(self, identity: Identity) -> str:
        """Return the name of the account of an identity, and make it where that is the rule.

        Raises:
            AccountError: There is none, or it is somebody else's.
        """
        with self.registry.changing() as accounts:
            known = find(accounts, identity)
            known = self._again(known, identity) if known else self._new(identity, accounts)
            accounts[known.name] = known
            return known.name

    def _again(self, known: Account, identity: Identity) -> Account:
        """The account that he had before; what the provider says of him may have changed."""
        person = self.host.look_up(known.name)
        if person is None and known.uid:
            return replace(known, uid=self.host.make(known.name, known.uid))
        self._require_usable(known.name, person)
        kept = tuple(identity if one.key == identity.key else one for one in known.identities)
        return replace(known, identities=kept)

    def _new(self, identity: Identity, accounts: dict[str, Account]) -> Account:
        now = int(time.time())
        if not self.made:
            return Account(self._existing(identity, accounts), (identity,), since=now)
        taken = {name.casefold() for name in accounts}
        for name in candidates(identity):
            if name in taken or self.host.look_up(name) is not None or self.host.has_group(name):
                continue
            return Account(name, (identity,), uid=self.host.make(name, 0), since=now)
        raise AccountError(f"no free account name is like {identity.claim!r}")

    def _existing(self, identity: Identity, accounts: dict[str, Account]) -> str:
        name = identity.claim
        if self.domain and name.casefold().endswith("@" + self.domain.casefold()):
            name = name[: -len(self.domain) - 1]
        if not NAME.fullmatch(name):
            raise AccountError(f"{identity.claim!r} is not the name of an account here")
        if name in accounts:
            raise AccountError(f"the account {name} belongs to another identity")
        self._require_usable(name, self.host.look_up(name))
        return name

    def _require_usable(self, name: str, person: Person | None) -> None:
        if person is None:
            raise AccountError(f"there is no account {name} on this host")
        if person.uid < self.uid_min:
            raise AccountError(f"{name} is an account of the system")


def find(accounts: dict[str, Account], identity: Identity) -> Account | None:
    """Return the account of an identity, or None."""
    for account in accounts.values():
        if any(one.key == identity.key for one in account.identities):
            return account
    return None


def join(registry: Registry, issuer: str, subject: str, name: str) -> Account:
    """Give an identity another account, which may have an owner already: the same person, an admin says.

    Its own account stays on the host with its files; only the way there ends.

    Raises:
        AccountError: The identity is not known.
    """
    with registry.changing() as accounts:
        own = find(accounts, Identity(issuer, subject, ""))
        if own is None:
            raise AccountError(f"no identity {subject!r} of {issuer} has logged in")
        (moved,) = (one for one in own.identities if one.key == (issuer, subject))
        left = tuple(one for one in own.identities if one is not moved)
        accounts[own.name] = replace(own, identities=left)
        there = accounts.get(name, Account(name, since=int(time.time())))
        accounts[name] = replace(there, identities=(*there.identities, moved))
        return accounts[name]


def look_alikes(accounts: dict[str, Account]) -> list[tuple[str, tuple[str, ...]]]:
    """Return who seems to have several accounts: an e-mail address or a name, and the accounts.

    Providers may all know a person by his own address; one address with two accounts is often one person who
    chose another button. It is shown and never acted upon: who joins two of them says that he knows.
    """
    seen: dict[str, set[str]] = {}
    for account in accounts.values():
        for one in account.identities:
            for sign in (one.email.casefold(), " ".join(one.name.split()).casefold()):
                if sign:
                    seen.setdefault(sign, set()).add(account.name)
    return [(sign, tuple(sorted(names))) for sign, names in sorted(seen.items()) if len(names) > 1]
