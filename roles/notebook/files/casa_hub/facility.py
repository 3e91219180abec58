"""What the landing page says of the facility: free cores, the cache, sessions, and the time of the reading.

Everything is read beside the hub's own work, with a limit of time. What cannot be read is not known, and the
page says that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from casa_hub import environment, units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_hub.settings import HelpLink, Settings

EVERY = 60
SECONDS = 20
STALE = 300
"""A reading that is older, in seconds, is not shown as what is."""
WATCHED = Path("/var/lib/casa-xcache/watch.json")
"""What a cache on this very host says of itself (role xcache)."""
ATTRIBUTES = ("SlotType", "State", "Cpus", "TotalSlotCpus", "Draining", "CasaHealthy")


@dataclass(frozen=True, slots=True)
class Cores:
    """Of the pool."""

    free: int
    all: int


@dataclass(frozen=True, slots=True)
class Cache:
    """The site's cache; `used` (0 to 1) and `size` (bytes) are None where only its host could say."""

    host: str
    answers: bool
    used: float | None = None
    size: int | None = None

    @property
    def size_text(self) -> str:
        """Its size for people."""
        size = float(self.size or 0)
        for unit in ("B", "kB", "MB", "GB"):
            if size < 1000:
                return f"{size:.0f} {unit}"
            size /= 1000
        return f"{size:.1f} TB"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and when (seconds since 1970). None is what could not be."""

    time: float
    cores: Cores | None = None
    cache: Cache | None = None
    sessions: int | None = None

    @property
    def clock(self) -> str:
        """The time for people."""
        return time.strftime("%H:%M %Z", time.localtime(self.time))

    @property
    def iso(self) -> str:
        """The time for machines (HTML's `time`)."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.time))


class Facility:
    """What templates see as `facility`."""

    def __init__(self, site: Settings) -> None:
        self.name = site.name
        self.announcement = site.announcement
        self.help_links: Sequence[HelpLink] = site.help_links
        self.idle_hours = site.session.idle_seconds / 3600
        self._environment_directory = site.environment_directory
        self._reading = Reading(0)

    def __deepcopy__(self, memo: dict[int, object]) -> Facility:
        # traitlets copies what it is configured with; a copy would never read anything.
        return self

    @property
    def reading(self) -> Reading:
        """The last reading; one in which nothing is known where that is too long ago."""
        now = time.time()
        return self._reading if now - self._reading.time < STALE else Reading(now)

    async def watch(self) -> None:
        """Read for ever."""
        while True:
            self._reading = await self.read()
            await asyncio.sleep(EVERY)

    async def read(self) -> Reading:
        """Read once, all at the same time."""
        cores, cache, sessions = await asyncio.gather(
            ask_pool(), ask_cache(self._environment_directory), units.sessions(), return_exceptions=True
        )
        for fault in (cores, cache, sessions):
            if isinstance(fault, asyncio.CancelledError):
                raise fault
        return Reading(
            time=time.time(),
            cores=None if isinstance(cores, BaseException) else cores,
            cache=None if isinstance(cache, BaseException) else cache,
            sessions=None if isinstance(sessions, BaseException) else len(sessions),
        )


async def ask_pool(program: str = "condor_status") -> Cores | None:
    """Ask the pool for its cores."""
    process = await asyncio.create_subprocess_exec(
        program,
        "-json",
        "-attributes",
        ",".join(ATTRIBUTES),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return None if process.returncode else count_cores(said.decode("utf-8", "replace"))


def count_cores(said: str) -> Cores:
    """Return the cores of the slots that `condor_status -json` lists; it prints nothing where there is none.

    A partitionable slot has what its dynamic slots have left.
    """
    free = total = 0
    for ad in json.loads(said) if said.strip() else []:
        if ad.get("SlotType") == "Dynamic":
            continue
        total += ad.get("TotalSlotCpus", 0)
        takes = ad.get("CasaHealthy", True) is True and ad.get("Draining") is not True
        if takes and (ad.get("SlotType") == "Partitionable" or ad.get("State") == "Unclaimed"):
            free += ad.get("Cpus", 0)
    return Cores(free, total)


async def ask_cache(directory: Path, watched: Path = WATCHED) -> Cache | None:
    """Ask the site's cache: all of it where it is on this host, else whether it answers.

    Args:
        directory: The variables of sessions, which name it.
        watched: What a cache on this host says of itself.
    """
    said = environment.read_directory(directory, lambda _: None)
    host = said.get("XCACHE_HOST", "")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(watched.read_text(encoding="utf-8"))
        size = sum(space["bytes"] for space in found["spaces"])
        left = sum(space["bytes_free"] for space in found["spaces"])
        if size and time.time() - found["time"] < STALE:
            return Cache(host or os.uname().nodename, not found["probe"].get("fault"), 1 - left / size, size)
    if not host:
        return None
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(host, int(said.get("XCACHE_PORT", "1094"))), SECONDS
        )
    except (OSError, ValueError, TimeoutError):
        return Cache(host, answers=False)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Cache(host, answers=True)
