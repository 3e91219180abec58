"""The few services that the Ansible module lends to the engine, and their plain form without Ansible."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Protocol


class Platform(Protocol):
    """What depends on the program that the engine runs in."""

    def move(self, source: str, target: str) -> None:
        """Replace `target` by `source` in one step; SELinux labels become those of `target`."""

    def label(self, path: str) -> None:
        """Give `path` the security label that the policy wants there."""

    def run(self, argv: list[str]) -> tuple[int, str]:
        """Run a program with the C locale; returns its status and its output, standard error included."""


class PlainPlatform:
    """The standard library alone, without labels: for our own directories, and for tests."""

    def move(self, source: str, target: str) -> None:
        os.rename(source, target)

    def label(self, path: str) -> None:
        del path

    def run(self, argv: list[str]) -> tuple[int, str]:
        if shutil.which(argv[0]) is None:
            return 127, f"{argv[0]}: not found"
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")


@dataclass(frozen=True)
class HostPaths:
    """Where casa-install keeps its own things on a host."""

    base: str = "/etc/casa-install"
    lock: str = "/run/casa-install.lock"
    proc_sys: str = "/proc/sys"

    @property
    def receipts(self) -> str:
        return f"{self.base}/receipts"

    @property
    def saved(self) -> str:
        """Copies of what was there before us."""
        return f"{self.base}/saved"

    @property
    def quarantine(self) -> str:
        """Where things go that were in our way."""
        return f"{self.base}/quarantine"
