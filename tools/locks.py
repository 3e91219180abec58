"""Makes the lock files of what runs on hosts: `python -m tools.locks [--upgrade]`.

Each `<name>.in` beside the locks of a role or scenario gives `<name>.txt`: exact versions with the digests of
their files, for every Python release and platform below. Versions that are locked already stay unless
`--upgrade` is given. The first line carries the month in which the lock last changed, which names what is
made from it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
# Debian 12's glibc is 2.36, that of EL 9 is 2.34: wheels for 2.28 and 2.34 go to all of them.
PLATFORMS = ("x86_64-manylinux_2_34", "aarch64-manylinux_2_34")


def requirements() -> list[Path]:
    """Return what the lock files are made of."""
    return sorted([*ROOT.glob("roles/*/files/locks/*.in"), *ROOT.glob("molecule/*/locks/*.in")])


def uv() -> str:
    """Return the path of `uv`, which the project's own environment has.

    Raises:
        SystemExit: there is none.
    """
    found = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if not found:
        raise SystemExit("Error: there is no `uv`. Hint: make setup")
    return found


def compile_lock(source: Path, lock: Path, *, upgrade: bool) -> None:
    """Write the lock file of one list of requirements.

    Raises:
        subprocess.CalledProcessError: the requirements cannot be met together.
    """
    before = lock.read_text(encoding="utf-8") if lock.exists() else ""
    command = [uv(), "pip", "compile", "--quiet", "--universal", "--python-version", PYTHONS[0]]
    command += [
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "--no-emit-find-links",
    ]
    command += ["--output-file", str(lock), *(["--upgrade"] if upgrade else []), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    made = lock.read_text(encoding="utf-8")
    head, _, body = before.partition("\n")
    if body != made:
        head = f"# {date.today():%Y.%m}, made from {source.name} by `python -m tools.locks`; do not edit."
    lock.write_text(f"{head}\n{made}", encoding="utf-8")


def require_wheels(lock: Path) -> None:
    """Require a wheel of everything on every target: a host has no compiler.

    Raises:
        subprocess.CalledProcessError: something has none, and uv says what.
    """
    for python in PYTHONS:
        for platform in PLATFORMS:
            command = [uv(), "pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:"]
            command += ["--python-version", python, "--python-platform", platform, str(lock)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(arguments: list[str] | None = None) -> int:
    """Make every lock file, and require that a host can install it.

    Args:
        arguments: as on the command line.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tools.locks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args(arguments).upgrade
    for source in requirements():
        lock = source.with_suffix(".txt")
        compile_lock(source, lock, upgrade=upgrade)
        require_wheels(lock)
        print(lock.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
