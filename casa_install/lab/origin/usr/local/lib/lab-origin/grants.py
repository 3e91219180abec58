"""What the lab's provider has handed out and still honours: login forms, sessions, codes and tokens.

All of it is in memory and ends with the process: a restart of the unit logs everybody out.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from people import Person

LIFETIMES = {"form": 600, "code": 60, "access_token": 3600, "refresh_token": 12 * 3600, "session": 8 * 3600}
"""Seconds. RFC 6749, section 4.1.2, wants codes to last ten minutes at most."""

MOST = 10_000
"""Of each kind; beyond that the oldest goes, so that nobody fills the memory."""

Content = TypeVar("Content")


class Handed(Generic[Content]):
    """Random names for things that expire; only digests of the names are kept.

    Args:
        seconds: How long each lasts.
        clock: Seconds, monotonic.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[str, tuple[float, Content]] = {}

    def add(self, content: Content, name: str | None = None) -> str:
        """A name for the content: a new one, unless it has one."""
        name = name or secrets.token_urlsafe(32)
        now = self._clock()
        # Insertion order is order of expiry: all last equally long.
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest][0] > now and len(self._kept) < MOST:
                break
            del self._kept[oldest]
        self._kept[_digest(name)] = (now + self._seconds, content)
        return name

    def get(self, name: str) -> Content | None:
        """The content, unless it has expired."""
        expires, content = self._kept.get(_digest(name), (0.0, None))
        return content if expires > self._clock() else None

    def remove(self, name: str) -> None:
        """Honour a name no more."""
        self._kept.pop(_digest(name), None)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True)
class Request:
    """An authorization request that was found valid (OpenID Connect Core 1.0, section 3.1.2.1)."""

    client: str
    redirect_uri: str
    scope: str
    state: str
    nonce: str
    challenge: str


@dataclass
class Session:
    """A person who is logged in with a browser."""

    person: Person
    auth_time: int
    name: str = field(default_factory=lambda: secrets.token_hex(16))
    ended: bool = False


@dataclass
class Grant:
    """What a code, and every token that came of it, stands for."""

    request: Request
    session: Session
    used: bool = False
    revoked: bool = False

    @property
    def is_good(self) -> bool:
        """Whether its tokens are still honoured."""
        return not self.revoked and not self.session.ended


class Grants:
    """Everything that was handed out.

    Args:
        lifetimes: Seconds, over `LIFETIMES`.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, lifetimes: dict[str, int] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lifetimes = LIFETIMES | (lifetimes or {})
        self.lock = RLock()
        self.forms: Handed[Request] = Handed(self.lifetimes["form"], clock)
        self.sessions: Handed[Session] = Handed(self.lifetimes["session"], clock)
        self.access_tokens: Handed[Grant] = Handed(self.lifetimes["access_token"], clock)
        self.refresh_tokens: Handed[Grant] = Handed(self.lifetimes["refresh_token"], clock)
        self._fresh: Handed[Grant] = Handed(self.lifetimes["code"], clock)
        # A code that is used a second time is found here for as long as its tokens may live.
        self._codes: Handed[Grant] = Handed(self.lifetimes["refresh_token"], clock)

    def code(self, request: Request, session: Session) -> str:
        """A new code for a request that a person has agreed to by logging in."""
        with self.lock:
            grant = Grant(request, session)
            return self._codes.add(grant, self._fresh.add(grant))

    def redeem(self, code: str) -> Grant | None:
        """What a code stands for, once.

        A second use revokes what the first one gave: one of the two was a thief (RFC 6749, section 10.5).
        """
        with self.lock:
            grant = self._codes.get(code)
            if grant is None:
                return None
            if grant.used:
                grant.revoked = True
                return None
            grant.used = True
            return grant if grant.is_good and self._fresh.get(code) is not None else None

    def session(self, name: str) -> Session | None:
        """The session of a browser."""
        with self.lock:
            found = self.sessions.get(name)
            return None if found is None or found.ended else found
