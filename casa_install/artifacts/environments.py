"""Archives of the users' software, which hosts build and the cache keeps: see the role `analysis_env`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from casa_install.artifacts.bundle import Member, Missing
from casa_install.digests import sha256_of
from casa_install.site.collection import collection_root

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPONENT = "analysis_env"
# Two characters: Ansible leaves the escape as it is written in the template of a variable.
_JOINED = r"\n"
_KIND = re.compile(r"[a-z0-9.]+-python[0-9.]+-\w+\.tar\.gz")


def environment_version(variables: Mapping[str, Any], root: Path | None = None) -> str:
    """Return the version of the environment that an inventory leads to, named as the role names it.

    Args:
        variables: `analysis_env_version`, or what the name is made of: `analysis_env_lock` and
            `analysis_env_extra_packages`; each may be missing.
        root: The directory that holds `roles/`; the installed collection by default.

    Raises:
        OSError: The lock file cannot be read.
    """
    if named := variables.get("analysis_env_version"):
        return str(named)
    role = (root or collection_root()) / "roles" / COMPONENT
    names = yaml.safe_load((role / "vars" / "main.yml").read_text(encoding="utf-8"))["__analysis_env_overlay"]
    lock = _looked_up(Path(variables.get("analysis_env_lock") or role / "files/locks/environment.txt"))
    overlay = _JOINED.join(_looked_up(role / "files" / "overlay" / name) for name in names)
    parts = [lock, *map(str, variables.get("analysis_env_extra_packages") or []), overlay]
    digest = hashlib.sha256(_JOINED.join(parts).encode()).hexdigest()
    series = re.search(r"^# (\d{4}\.\d\d)\b", lock, re.MULTILINE)
    return f"{series[1] if series else 'site'}-{digest[:8]}"


def cached_archives(cache: Path, version: str) -> tuple[list[tuple[Member, Path]], list[Missing]]:
    """Return the archives of a version that lie in a cache, for whatever systems, and what is missing."""
    found: list[tuple[Member, Path]] = []
    missing: list[Missing] = []
    prefix = f"env-{version}-"
    archives = [
        path
        for path in sorted(cache.glob("env-*.tar.gz"))
        if path.name.startswith(prefix) and _KIND.fullmatch(path.name.removeprefix(prefix))
    ]
    for path in archives:
        note = path.with_name(f"{path.name}.sha256")
        digest = sha256_of(path)
        if not note.is_file() or note.read_text(encoding="utf-8") != digest:
            missing.append(Missing(path.name, "was damaged in the cache; the next apply builds it anew"))
            continue
        found += [_member(path, version, digest), _member(note, version, sha256_of(note))]
    if not archives:
        why = "was not in the cache; an apply with a connection builds it and leaves it there"
        missing.append(Missing(f"{prefix}*.tar.gz", why))
    return found, missing


def _member(path: Path, version: str, digest: str) -> tuple[Member, Path]:
    return Member(path.name, digest, path.stat().st_size, COMPONENT, version), path


def _looked_up(path: Path) -> str:
    """A file's text as Ansible's lookup `file` gives it: without white space at its end."""
    return path.read_text(encoding="utf-8").rstrip()
