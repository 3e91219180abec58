"""Making typed resources of checked values; one declaration may give several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.state.resources import (
    Absent,
    Block,
    Check,
    Directory,
    File,
    Group,
    Line,
    Link,
    Package,
    Resource,
    Sysctl,
    Unit,
    User,
)
from casa_install.state.values import UnusableValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casa_install.state.findings import Place

SYSTEMD = "/etc/systemd/system"
SYSCTL = "/etc/sysctl.d"

_CLASSES: Mapping[str, tuple[Callable[..., Resource], str]] = {
    "package": (Package, "package"),
    "group": (Group, "group"),
    "user": (User, "user"),
    "directory": (Directory, "path"),
    "file": (File, "path"),
    "link": (Link, "path"),
    "absent": (Absent, "path"),
    "line": (Line, "path"),
    "block": (Block, "path"),
    "sysctl": (Sysctl, "setting"),
    "check": (Check, "check"),
}


def build(kind: str, main: str, values: Mapping[str, Any], place: Place, role: str) -> list[Resource]:
    """Make the resources of one declaration.

    Args:
        kind: Its kind.
        main: The checked value of the key that names it.
        values: The other keys, checked; keys that are unset are left out.
        place: Where it is declared.
        role: The role's name, which is part of the names of files that the engine makes up.

    Raises:
        UnusableValueError: Values that exclude each other.
    """
    common = {
        "place": place,
        "notify": values.get("notify", ()),
        "before": values.get("phase") == "before",
        "sensitive": values.get("sensitive", False),
    }
    own = {key: value for key, value in values.items() if key not in ("notify", "phase", "sensitive")}
    if kind == "repository":
        return _repository(main, own, common)
    if kind == "unit":
        return _unit(main, own, common, role)
    if kind == "directory" and own.get("exclusive") and own.get("shared"):
        raise UnusableValueError("exclusive and shared exclude each other")
    if kind == "sysctl":
        own["value"] = " ".join(own["value"].split())
    cls, name = _CLASSES[kind]
    return [cls(**{name: main}, **common, **own)]


def _repository(name: str, own: Mapping[str, Any], common: Mapping[str, Any]) -> list[Resource]:
    """A package repository is its description and the key that signs it: two files."""
    shown = f"package repository {name}"
    made: list[Resource] = []
    options = dict(own["options"])
    if "key" in own:
        folder = {"deb": "/etc/apt/keyrings", "rpm": "/etc/pki/rpm-gpg"}[own["format"]]
        key_name = {"deb": f"casa-{name}.asc", "rpm": f"RPM-GPG-KEY-casa-{name}"}[own["format"]]
        key_path = f"{folder}/{key_name}"
        made.append(Directory(path=folder, **{**common, "notify": ()}, part_of=shown))
        made.append(
            File(
                path=key_path,
                content=own["key"].encode(),
                mode=0o644,
                owner="root",
                group="root",
                repository=True,
                part_of=shown,
                **common,
            )
        )
        options.setdefault(
            *(("Signed-By", key_path) if own["format"] == "deb" else ("gpgkey", f"file://{key_path}"))
        )
    if own["format"] == "deb":
        path = f"/etc/apt/sources.list.d/casa-{name}.sources"
        lines = [f"{key}: {value}" for key, value in {"Types": "deb", **options}.items()]
    else:
        path = f"/etc/yum.repos.d/casa-{name}.repo"
        lines = [f"[casa-{name}]", *(f"{key}={value}" for key, value in {"name": name, **options}.items())]
    content = "\n".join(lines) + "\n"
    made.append(
        File(
            path=path,
            content=content.encode(),
            mode=0o644,
            owner="root",
            group="root",
            repository=True,
            part_of=shown,
            **common,
        )
    )
    return made


def _unit(name: str, own: dict[str, Any], common: Mapping[str, Any], role: str) -> list[Resource]:
    """A unit with drop-ins is a directory and a file for each of them, and the unit itself."""
    drop_ins = own.pop("drop_ins", {})
    if own.get("masked") and (own.get("enabled") or own.get("state") == "started"):
        raise UnusableValueError("a masked unit can be neither enabled nor started")
    made: list[Resource] = []
    if drop_ins:
        folder = f"{SYSTEMD}/{name}.d"
        made.append(Directory(path=folder, **{**common, "notify": ()}, part_of=name))
        for key, content in drop_ins.items():
            path = f"{folder}/casa-{role}-{key.removesuffix('.conf')}.conf"
            made.append(
                File(
                    path=path,
                    content=content.encode(),
                    mode=0o644,
                    owner="root",
                    group="root",
                    part_of=name,
                    **common,
                )
            )
    return [*made, Unit(unit=name, **{**common, "notify": ()}, **own)]


def sysctl_file(role: str, settings: Sequence[Sysctl]) -> File:
    """Make the file that keeps the role's kernel settings over a boot."""
    lines = "".join(f"{setting.setting} = {setting.value}\n" for setting in settings)
    return File(
        path=f"{SYSCTL}/60-casa-{role}.conf",
        content=lines.encode(),
        owner="root",
        group="root",
        mode=0o644,
        place=settings[0].place,
    )
