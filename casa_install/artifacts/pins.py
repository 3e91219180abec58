"""The pinned versions and files of `pins.yml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from casa_install.errors import CasaError, ExitCode

_PLAIN = re.compile(r"(?!\.)[A-Za-z0-9._+~-]+")
"""Names that are safe as one part of a path, below a cache and in a URL."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a release.

    Raises:
        CasaError: A part of its name could lead elsewhere than below the cache.
    """

    component: str
    version: str
    name: str

    def __post_init__(self) -> None:
        for part in (self.component, self.version, self.name):
            if not _PLAIN.fullmatch(part):
                raise CasaError(
                    f"`{part}` cannot be part of an artifact's name.",
                    hint="Letters, digits and `._+~-` can, and it must not begin with a dot.",
                    exit_code=ExitCode.USAGE,
                )

    @property
    def key(self) -> str:
        """Its place below the cache, and in a bundle: `component/version/file`."""
        return f"{self.component}/{self.version}/{self.name}"


@dataclass(frozen=True, slots=True)
class Variant:
    """The files of a release for one processor, or for one release of a distribution.

    Args:
        checksums: The file in which the release lists the digests of its others.
        files: What roles call a file, and its possible names, the preferred one first.
    """

    checksums: str
    files: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Component:
    """A project whose releases are fetched.

    Args:
        name: Its name here.
        version: What is installed where a site names no version.
        channel: Upstream's release channel which that version comes from.
        pattern: What a version looks like, a regular expression.
        example: Such a version.
        url: Where its files are; `{version}` and `{file}` stand for these, quoted.
        variants: By processor or distribution.
        digests: SHA-256 by version and file, in hexadecimal, as far as they are known.
    """

    name: str
    version: str
    channel: str
    pattern: str
    example: str
    url: str
    variants: dict[str, Variant]
    digests: dict[str, dict[str, str]]

    def variant(self, name: str) -> Variant:
        """Return what there is for a processor, as the kernel or k3s names it, or for a distribution.

        Raises:
            CasaError: Nothing.
        """
        known = _machines().get(name, name)
        if known not in self.variants:
            raise CasaError(
                f"There is no {self.name} for `{name}`.",
                hint=f"There is one for {' and '.join(self.variants)}.",
                exit_code=ExitCode.USAGE,
            )
        return self.variants[known]

    def require_version(self, version: str) -> str:
        """Return a version that can be one of this component's.

        Raises:
            CasaError: It cannot.
        """
        if not re.fullmatch(self.pattern, version):
            raise CasaError(
                f"`{version}` is no version of {self.name}.",
                hint=f"Write it as the project does, for example `{self.example}`.",
                exit_code=ExitCode.USAGE,
            )
        return version

    def upstream(self, artifact: Artifact) -> str:
        """Return where the project itself offers a file."""
        return self.url.format(version=quote(artifact.version, safe=""), file=quote(artifact.name, safe=""))


def component(name: str) -> Component:
    """Return a pinned component.

    Raises:
        CasaError: There is none of that name.
    """
    known = _components()
    if name not in known:
        raise CasaError(
            f"`{name}` is none of the components that can be fetched.",
            hint=f"They are {', '.join(known)}.",
            exit_code=ExitCode.USAGE,
        )
    return known[name]


def components() -> tuple[str, ...]:
    """Return the names of the pinned components, in the order of the table."""
    return tuple(_components())


@cache
def _components() -> dict[str, Component]:
    return {
        name: Component(
            name=name,
            version=pin["version"],
            channel=pin["channel"],
            pattern=pin["version_pattern"],
            example=pin["version_example"],
            url=pin["url"],
            variants={
                variant: Variant(
                    files["checksums"], {kind: tuple(names) for kind, names in files["files"].items()}
                )
                for variant, files in pin["variants"].items()
            },
            digests=pin["digests"],
        )
        for name, pin in _table()["components"].items()
    }


def _machines() -> dict[str, str]:
    return dict(_table()["machines"])


@cache
def _table() -> dict[str, Any]:
    return dict(yaml.safe_load(Path(__file__).with_name("pins.yml").read_text(encoding="utf-8")))
