"""From a role's list as written to typed resources for one host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.digests import sha256_of
from casa_install.state.build import build, sysctl_file
from casa_install.state.document import has_template
from casa_install.state.findings import Finding, Place, StateFileError, did_you_mean
from casa_install.state.kinds import COMMON, Key
from casa_install.state.renderer import RenderError
from casa_install.state.resources import Directory, LocalFile, PathResource, Resource, Sysctl
from casa_install.state.values import UnusableValueError
from casa_install.state.values import path as as_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from casa_install.state.document import RawEntry, StateFile
    from casa_install.state.renderer import Renderer
    from casa_install.state.resources import Handler

INLINE_LIMIT = 1 << 20
"""Files larger than this many bytes are streamed by the connection's own file transfer."""


@dataclass(frozen=True)
class Desired:
    """What one role wants on one host.

    Attributes:
        role: The role's name.
        resources: In the order in which they are made.
        handlers: The role's handlers by name.
        roots: Paths that the role may write below.
    """

    role: str
    resources: tuple[Resource, ...]
    handlers: Mapping[str, Handler]
    roots: tuple[str, ...]


def render(state: StateFile, renderer: Renderer) -> Desired:
    """Render a role's list for one host.

    Args:
        state: The list as written.
        renderer: The host's templates.

    Raises:
        StateFileError: With every entry that cannot be rendered, has a value of the wrong type, lies outside
            the role's roots, or is there twice. No message holds a value marked as secret.
    """
    return _Rendering(state, renderer).run()


class _Rendering:
    def __init__(self, state: StateFile, renderer: Renderer) -> None:
        self.state = state
        self.renderer = renderer
        self.findings: list[Finding] = []
        self.top = Place(str(state.path), 1)

    def run(self) -> Desired:
        for choice in self.state.vars_files:
            self._load_variables(choice)
        if self.findings:
            raise StateFileError(self.findings)
        roots = self._roots()
        resources: list[Resource] = []
        for entry in self.state.entries:
            resources.extend(self._entry(entry, roots))
        resources = _merge_sysctls(self.state.role, _drop_repeated_folders(resources))
        self._require_unique(resources)
        if self.findings:
            raise StateFileError(self.findings)
        return Desired(self.state.role, tuple(resources), self.state.handlers, roots)

    def _find(self, place: Place, message: str) -> None:
        self.findings.append(Finding(place, message))

    def _load_variables(self, choice: Any) -> None:
        candidates = choice if isinstance(choice, list) else [choice]
        try:
            names = [str(self._rendered(item, self.renderer)) for item in candidates]
            for name in names:
                path = self.state.directory / name
                if path.is_file():
                    self.renderer = self.renderer.with_variables(self.renderer.load_variables(path))
                    return
        except RenderError as fault:
            self._find(self.top, f"vars_files: {fault}")
        else:
            self._find(
                self.top,
                f"vars_files: none of {', '.join(names)} exists: this operating system is not supported",
            )

    def _roots(self) -> tuple[str, ...]:
        roots = []
        for raw in self.state.roots:
            try:
                roots.append(as_path(self._rendered(raw, self.renderer)))
            except (RenderError, UnusableValueError) as fault:
                self._find(self.top, f"roots: {raw!r} {fault}")
        return tuple(roots)

    def _rendered(self, raw: Any, renderer: Renderer) -> Any:
        if isinstance(raw, str):
            return renderer.value(raw) if has_template(raw) else raw
        if isinstance(raw, list):
            return [self._rendered(item, renderer) for item in raw]
        if isinstance(raw, dict):
            return {
                str(self._rendered(key, renderer)): self._rendered(item, renderer)
                for key, item in raw.items()
            }
        return raw

    def _entry(self, entry: RawEntry, roots: tuple[str, ...]) -> list[Resource]:
        made: list[Resource] = []
        try:
            for renderer in self._repeat(entry):
                if self._wanted(entry, renderer):
                    made.extend(self._one(entry, renderer, roots))
        except RenderError as fault:
            self._find(entry.place, f"{entry.kind.name}: {fault}")
        return made

    def _repeat(self, entry: RawEntry) -> Iterable[Renderer]:
        """Yield one renderer, or with `each:` one per item, in which `item` is that item."""
        if "each" not in entry.options:
            return [self.renderer]
        items = self._rendered(entry.options["each"], self.renderer)
        if not isinstance(items, (list, tuple)):
            self._find(entry.place, f"{entry.kind.name}: each must be a list")
            return []
        return [self.renderer.with_variables({"item": item}) for item in items]

    def _wanted(self, entry: RawEntry, renderer: Renderer) -> bool:
        conditions = entry.options.get("when", True)
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            met = renderer.truth(condition) if isinstance(condition, str) else bool(condition)
            if not met:
                return False
        return True

    def _one(self, entry: RawEntry, renderer: Renderer, roots: tuple[str, ...]) -> list[Resource]:
        before = len(self.findings)
        kind = entry.kind
        main = self._converted(entry, kind.name, Key(kind.main), entry.main, renderer)
        values: dict[str, Any] = {}
        for key, raw in entry.options.items():
            if key in ("when", "each"):
                continue
            spec = kind.keys.get(key) or COMMON[key]
            value = self._converted(entry, key, spec, raw, renderer)
            if value is not None:
                values[key] = value
        for key, spec in kind.keys.items():
            if spec.required and key not in values and len(self.findings) == before:
                self._find(entry.place, f"{kind.name}: {key} is empty")
        if len(self.findings) > before:
            return []
        self._check_notify(entry, values)
        if kind.in_roots and not within(main, roots):
            self._find(
                entry.place,
                f"{kind.name}: {main} is outside the role's roots ({', '.join(roots) or 'it has none'})",
            )
        if kind.name == "file":
            self._load_content(entry, values, renderer)
        if len(self.findings) > before:
            return []
        try:
            return build(kind.name, main, values, entry.place, self.state.role)
        except UnusableValueError as fault:
            self._find(entry.place, f"{kind.name}: {fault}")
            return []

    def _converted(self, entry: RawEntry, key: str, spec: Key, raw: Any, renderer: Renderer) -> Any:
        place = entry.key_places.get(key, entry.place)
        try:
            value = self._rendered(raw, renderer)
        except RenderError as fault:
            self._find(place, f"{entry.kind.name}: {key}: {_told(fault, entry)}")
            return None
        if value is None or (has_template(raw) and value == ""):
            # As Ansible's `omit`: a template that gives nothing leaves the key out. Content may be empty.
            return "" if key == "content" else None
        try:
            return spec.convert(value)
        except UnusableValueError as fault:
            message = "is not usable" if spec.secret or entry.options.get("sensitive") else str(fault)
            self._find(place, f"{entry.kind.name}: {key} {message}")
            return None

    def _check_notify(self, entry: RawEntry, values: Mapping[str, Any]) -> None:
        for name in values.get("notify", ()):
            if name not in self.state.handlers:
                close = did_you_mean(name, self.state.handlers)
                self._find(entry.place, f"{entry.kind.name}: {name!r} is not under `handlers`{close}")

    def _load_content(self, entry: RawEntry, values: dict[str, Any], renderer: Renderer) -> None:
        """Replace `content`, `template` or `source` by the bytes, or by the local file if it is large."""
        if "content" in values:
            values["content"] = values["content"].encode("utf-8", "surrogateescape")
            return
        folder, key = ("templates", "template") if "template" in values else ("files", "source")
        wanted = values.pop(key, "")
        path = self.state.directory / folder / wanted
        place = entry.key_places.get(key, entry.place)
        if not wanted or not path.is_file():
            self._find(place, f"file: {folder}/{wanted} is not in the role")
            return
        try:
            if key == "template":
                values["content"] = renderer.template(path).encode("utf-8", "surrogateescape")
            else:
                values["content"] = read_local(path)
        except RenderError as fault:
            self._find(place, f"file: {folder}/{wanted}: {_told(fault, entry)}")
        except OSError as fault:
            self._find(place, f"file: {folder}/{wanted} cannot be read: {fault.strerror}")

    def _require_unique(self, resources: Iterable[Resource]) -> None:
        seen: dict[tuple[str, str], Place] = {}
        for resource in resources:
            key = resource.key
            if isinstance(resource, PathResource) and resource.kind not in ("line", "block"):
                key = ("path", resource.path)  # a file and a link cannot share one
            if key in seen:
                self._find(
                    resource.place, f"{resource.kind}: {resource.name} is declared at {seen[key]} already"
                )
            seen[key] = resource.place


def _told(fault: RenderError, entry: RawEntry) -> str:
    if fault.public or not entry.options.get("sensitive"):
        return str(fault)
    return "cannot be rendered (why is not told, as the resource is sensitive)"


def within(path: str, roots: Iterable[str]) -> bool:
    """Tell whether `path` is one of `roots` or below one."""
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def read_local(path: Path) -> bytes | LocalFile:
    """Return a small file's bytes, or a large file's digest and place."""
    size = path.stat().st_size
    if size <= INLINE_LIMIT:
        return path.read_bytes()
    return LocalFile(path, sha256_of(path), size)


def _drop_repeated_folders(resources: Iterable[Resource]) -> list[Resource]:
    """Keep one of the folders that the engine adds for repositories and drop-ins, or the role's own."""
    folders: set[str] = set()
    kept: list[Resource] = []
    for resource in resources:
        if isinstance(resource, Directory):
            if resource.part_of and resource.path in folders:
                continue
            folders.add(resource.path)
        kept.append(resource)
    return kept


def _merge_sysctls(role: str, resources: list[Resource]) -> list[Resource]:
    """Add the one file that keeps all of a role's kernel settings over a boot, sysctl.d(5)."""
    settings = [resource for resource in resources if isinstance(resource, Sysctl)]
    if not settings:
        return resources
    first = resources.index(settings[0])
    return [*resources[:first], sysctl_file(role, settings), *resources[first:]]
