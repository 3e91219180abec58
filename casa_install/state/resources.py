"""The kinds of things a role wants on a host, typed and already rendered for that host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.state.findings import Place

Tag = Literal["packages", "config", "service", "verify"]
Phase = Literal["repositories", "packages", "accounts", "files", "units", "verify"]
Presence = Literal["present", "absent"]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What all kinds share.

    Attributes:
        place: Where it is declared.
        notify: Handlers that a change calls for.
        before: `phase: before`, made before packages are installed.
        sensitive: Compared, but neither content, digest nor diff leaves the engine.
        part_of: What it is shown as, where the engine made it of another resource.
    """

    kind: ClassVar[str]
    tag: ClassVar[Tag]
    made_in: ClassVar[Phase] = "files"
    named_by: ClassVar[str]
    place: Place
    notify: tuple[str, ...] = ()
    before: bool = False
    sensitive: bool = False
    part_of: str = ""

    @property
    def name(self) -> str:
        """What tells it from others of its kind; stored in receipts, so it never holds a secret."""
        return str(getattr(self, self.named_by))

    @property
    def phase(self) -> Phase:
        """When it is made."""
        return "repositories" if self.before and self.made_in == "files" else self.made_in

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name, unique within a role."""
        return (self.kind, self.name)


@dataclass(frozen=True)
class LocalFile:
    """Content that stays in a file on the controller until it is sent."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Package(Resource):
    """A package of the host's own package manager; `version` may hold `*`."""

    kind = "package"
    tag = "packages"
    named_by = "package"
    made_in = "packages"
    package: str
    version: str = ""
    held: bool | None = None
    state: Presence = "present"


@dataclass(frozen=True, kw_only=True)
class Group(Resource):
    """A group; made locally only where the host knows none of that name or number."""

    kind = "group"
    tag = "config"
    named_by = "group"
    made_in = "accounts"
    group: str
    gid: int | None = None
    system: bool = False


@dataclass(frozen=True, kw_only=True)
class User(Resource):
    """A user; made locally only where the host knows none of that name or number."""

    kind = "user"
    tag = "config"
    named_by = "user"
    made_in = "accounts"
    user: str
    uid: int | None = None
    group: str | None = None
    groups: tuple[str, ...] = ()
    home: str | None = None
    shell: str | None = None
    comment: str | None = None
    system: bool = False
    create_home: bool = True


@dataclass(frozen=True, kw_only=True)
class PathResource(Resource):
    """What has a path of its own on the host."""

    tag = "config"
    named_by = "path"
    path: str


@dataclass(frozen=True, kw_only=True)
class Owned(PathResource):
    """A path with attributes; what is not said is left as it is, and new things are root's."""

    owner: str | None = None
    group: str | None = None
    mode: int | None = None


@dataclass(frozen=True, kw_only=True)
class Directory(Owned):
    """A directory.

    `exclusive`: what is not ours in it is moved to quarantine, allowed only where we made the directory.
    `shared`: what is not ours in it is reported.
    """

    kind = "directory"
    exclusive: bool = False
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class File(Owned):
    """A regular file with exactly this content."""

    kind = "file"
    content: bytes | LocalFile = field(repr=False)
    validate: tuple[str, ...] = ()
    repository: bool = False
    """It makes packages available, so the package index is read anew after it changed."""

    @property
    def phase(self) -> Phase:
        """Before the packages, if it makes them available or they need it."""
        return "repositories" if self.before or self.repository else "files"


@dataclass(frozen=True, kw_only=True)
class Link(PathResource):
    """A symbolic link."""

    kind = "link"
    target: str


@dataclass(frozen=True, kw_only=True)
class Absent(PathResource):
    """A path that must not be there."""

    kind = "absent"


@dataclass(frozen=True, kw_only=True)
class Line(PathResource):
    """One line of ours in a file that is not ours; with `prefix`, it replaces the line that begins so."""

    kind = "line"
    text: str = field(repr=False)
    prefix: str = ""
    state: Presence = "present"
    create: bool = False
    validate: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Path and prefix, or path and line."""
        return f"{self.path}: {self.prefix or self.text}"


@dataclass(frozen=True, kw_only=True)
class Block(PathResource):
    """Lines of ours between two marker lines in a file that is not ours."""

    kind = "block"
    marker: str
    content: str = field(repr=False)
    comment: str = "#"
    state: Presence = "present"
    create: bool = False
    validate: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Path and marker."""
        return f"{self.path}: {self.marker}"

    @property
    def begin(self) -> str:
        """The line above the block."""
        return f"{self.comment} BEGIN casa-install {self.marker}"

    @property
    def end(self) -> str:
        """The line below the block."""
        return f"{self.comment} END casa-install {self.marker}"


@dataclass(frozen=True, kw_only=True)
class Unit(Resource):
    """A systemd unit; None leaves a property as it is."""

    kind = "unit"
    tag = "service"
    named_by = "unit"
    made_in = "units"
    unit: str
    enabled: bool | None = None
    state: Literal["started", "stopped"] | None = None
    masked: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Sysctl(Resource):
    """The live value of a kernel setting; the file that keeps it over a boot is a resource of its own."""

    kind = "sysctl"
    tag = "config"
    named_by = "setting"
    setting: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Check(Resource):
    """A read-only command; unless it ends with 0, the imperative step of that name is owed."""

    kind = "check"
    tag = "verify"
    named_by = "check"
    made_in = "verify"
    check: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Handler:
    """How a notification is proved live.

    Attributes:
        name: The handler's name in the role.
        proof: `restart`: the unit started after the change; `stamp`: a command prints the time (epoch
            seconds) of the service's last reload; `record`: our own record, cleared after the handler ran.
        unit: The unit of a `restart`.
        stamp: The command of a `stamp`.
        drain: It would kill users' work, so it is listed and never run unasked.
    """

    name: str
    proof: Literal["restart", "stamp", "record"] = "record"
    unit: str = ""
    stamp: tuple[str, ...] = ()
    drain: bool = False
