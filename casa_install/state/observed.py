"""What a host said: typed, and nothing more than was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PathType = Literal["file", "directory", "link", "special"]


@dataclass(frozen=True)
class Status:
    """What lstat(2) says about a path; times in seconds since the epoch."""

    type: PathType
    mode: int
    uid: int
    gid: int
    size: int
    inode: int
    device: int
    mtime: int
    ctime: int
    owner: str
    group: str


@dataclass(frozen=True)
class PackageStatus:
    """An installed package."""

    version: str
    held: bool


@dataclass(frozen=True)
class Account:
    """A user or group as the host's name service knows it; `local` if it stands in /etc."""

    fields: tuple[str, ...]
    local: bool
    group_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class BlockStatus:
    """Our block in a file; `sound` if its markers are there once each, in order, or not at all."""

    present: bool
    sound: bool
    content: bytes = field(repr=False, default=b"")


@dataclass(frozen=True)
class CommandResult:
    """How a check or a stamp ended; `output` is its first 300 bytes."""

    status: int
    output: str


@dataclass
class Observed:
    """Everything the host said. A key that is missing was missing on the host."""

    uid: int = -1
    receipts_mode: int | None = None
    receipts_uid: int | None = None
    receipt: bytes | None = None
    paths: dict[str, Status] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, str] = field(default_factory=dict)
    """Of sensitive files, digests with the key."""
    key: str = field(repr=False, default="")
    """What sensitive contents were digested with; of their lines and blocks the digest is told."""
    links: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, bytes] = field(default_factory=dict)
    listings: dict[str, tuple[bytes, ...] | None] = field(default_factory=dict)
    """None: too many entries to list."""
    lines: dict[tuple[str, str], tuple[bytes, ...]] = field(default_factory=dict)
    blocks: dict[tuple[str, str], BlockStatus] = field(default_factory=dict)
    manager: str = "none"
    packages_interrupted: bool = False
    """dpkg was killed in the middle and must be told to go on before anything else."""
    packages: dict[str, PackageStatus] = field(default_factory=dict)
    users: dict[str, Account] = field(default_factory=dict)
    user_of_uid: dict[int, str] = field(default_factory=dict)
    groups: dict[str, Account] = field(default_factory=dict)
    group_of_gid: dict[int, str] = field(default_factory=dict)
    units: dict[str, dict[str, str]] | None = None
    """None: systemd does not answer."""
    vendor: dict[str, str] = field(default_factory=dict)
    """Whether a unit's file is as its package left it: ok, edited, unknown."""
    sysctls: dict[str, str] = field(default_factory=dict)
    checks: dict[str, CommandResult] = field(default_factory=dict)
    stamps: dict[str, CommandResult] = field(default_factory=dict)
