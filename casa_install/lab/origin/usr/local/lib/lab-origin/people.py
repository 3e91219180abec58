"""Who may log in at the lab's provider: passwords as salted hashes, and a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

COST = {"n": 2**14, "r": 8, "p": 1}
"""scrypt's parameters (RFC 7914, section 2): 16 MiB and some 50 ms for each try."""

WINDOW = 300
"""Seconds for which a failed try counts."""

TRIES_PER_NAME = 5
TRIES_PER_ADDRESS = 30


def password_hash(password: str, salt: str) -> str:
    """What is kept instead of a password, hexadecimal."""
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), dklen=32, **COST).hex()


class TooManyTriesError(Exception):
    """So many wrong passwords came that no more are looked at.

    Attributes:
        seconds: Until the next try counts.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong passwords; the next try counts in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Person:
    """Somebody who can log in.

    Attributes:
        name: The login name.
        subject: Claim ``sub``: never given to anybody else.
        claims: What is told about the person, by claim.
    """

    name: str
    subject: str
    claims: dict[str, Any]


class People:
    """Everybody who can log in.

    Args:
        entries: Login name -> ``salt``, ``hash``, ``sub`` and the person's claims.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, entries: dict[str, dict[str, Any]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failures: dict[tuple[str, str], deque[float]] = {}
        self._hashes = {name: (entry["salt"], entry["hash"]) for name, entry in entries.items()}
        self._people = {
            name: Person(name, entry["sub"], {"preferred_username": name, **entry["claims"]})
            for name, entry in entries.items()
        }

    def check(self, name: str, password: str, address: str) -> Person | None:
        """The person whose name and password these are.

        Args:
            name: As it was typed.
            password: As it was typed.
            address: Of the browser.

        Raises:
            TooManyTriesError: Whether the password is right is not looked at.
        """
        counted = [(("name", name), TRIES_PER_NAME), (("address", address), TRIES_PER_ADDRESS)]
        with self._lock:
            self._forget_old()
            # The try counts before the slow hash is made: many at once get no further than many in turn.
            for key, most in counted:
                tries = self._failures.get(key, deque())
                if len(tries) >= most:
                    raise TooManyTriesError(int(tries[0] + WINDOW - self._clock()) + 1)
            for key, _ in counted:
                self._failures.setdefault(key, deque()).append(self._clock())
        # A name that nobody has costs the same time as one that somebody has.
        salt, expected = self._hashes.get(name, ("00" * 16, ""))
        if not hmac.compare_digest(password_hash(password, salt), expected):
            return None
        with self._lock:
            self._failures.pop(("name", name), None)
        return self._people[name]

    def _forget_old(self) -> None:
        oldest = self._clock() - WINDOW
        for key in list(self._failures):
            tries = self._failures[key]
            while tries and tries[0] <= oldest:
                tries.popleft()
            if not tries:
                del self._failures[key]
