"""Saves a k3s server's data: as a snapshot beside it, or packed with what a restore needs.

Reads one JSON object: action (snapshot, pack or clean), data (k3s's data directory), settings (the
directory of its settings), program, name (of the snapshot: letters, digits and hyphens), snapshots (the
directory that etcd's snapshots go to, or empty), about (goes into the manifest). Prints one, with nothing
of what is saved. For Python 3.9, standard library only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path

SECONDS = 600
# What only exists once per cluster. Certificates of hosts are made anew from the authorities.
KEYS = [
    "tls/client-ca.crt",
    "tls/client-ca.key",
    "tls/client-ca.nochain.crt",
    "tls/server-ca.crt",
    "tls/server-ca.key",
    "tls/server-ca.nochain.crt",
    "tls/request-header-ca.crt",
    "tls/request-header-ca.key",
    "tls/service.key",
    "tls/service.current.key",
    "tls/etcd/peer-ca.crt",
    "tls/etcd/peer-ca.key",
    "tls/etcd/server-ca.crt",
    "tls/etcd/server-ca.key",
    "cred/passwd",
    "cred/ipsec.psk",
    "cred/encryption-config.json",
    "cred/encryption-state.json",
    "token",
    "agent-token",
]


class NotSavedError(Exception):
    """What is told."""


def datastore(server: Path) -> str:
    """Return what this server keeps the cluster's objects in."""
    if (server / "db/etcd/member").is_dir():
        return "etcd"
    return "sqlite" if (server / "db/state.db").is_file() else "external"


def run(*words: str) -> subprocess.CompletedProcess:
    """Run a command to its end."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotSavedError(f"{words[0]} cannot be run: {error}") from error


def snapshot(order: dict) -> tuple:
    """Save the datastore; return its kind and the file."""
    server = Path(order["data"]) / "server"
    kind = datastore(server)
    if kind == "etcd":
        return kind, etcd_snapshot(order, server)
    if kind == "sqlite":
        return kind, sqlite_copy(order, server)
    return kind, None


def etcd_snapshot(order: dict, server: Path) -> Path:
    """Have k3s save etcd; return the file."""
    command = [order["program"], "etcd-snapshot"]
    # Before 1.21.1 the bare command saves.
    if "save" in run(*command, "--help").stdout.split():
        command.append("save")
    began = time.time()
    done = run(*command, "--name", order["name"], "--data-dir", order["data"])
    usual = server / "db/snapshots"
    places = {Path(order["snapshots"]) if order["snapshots"] else usual, usual}
    found = [
        path
        for place in places
        if place.is_dir()
        for path in place.iterdir()
        if path.name.startswith(order["name"]) and path.stat().st_mtime >= began - 1
    ]
    if done.returncode or not found:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = said[-1][:600] if said else "it says nothing"
        raise NotSavedError(f"k3s saved no snapshot of etcd: {why}")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    if not whole(newest):
        raise NotSavedError(f"the snapshot {newest} is damaged: its own digest is another")
    return newest


def whole(path: Path) -> bool:
    """Tell whether a snapshot has the digest that etcd wrote at its end: 32 bytes after whole pages."""
    size = path.stat().st_size
    if path.suffix == ".zip" or size % 512 != 32:
        return size > 0
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = size - 32
        while left:
            part = file.read(min(left, 1 << 20))
            digest.update(part)
            left -= len(part)
        return file.read() == digest.digest()


def sqlite_copy(order: dict, server: Path) -> Path:
    """Copy the database while it is written to, by SQLite's own backup."""
    place = server / "db/snapshots"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = place / f"{order['name']}-{int(time.time())}.db"
    os.close(os.open(str(target), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source = sqlite3.connect(f"file:{server}/db/state.db?mode=ro", uri=True, timeout=30)
    copy = sqlite3.connect(str(target))
    try:
        source.backup(copy)
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        target.unlink()
        raise NotSavedError(f"SQLite copies no database: {error}") from error
    finally:
        copy.close()
        source.close()
    if found != "ok":
        target.unlink()
        raise NotSavedError(f"the copy of the database is damaged: {found}")
    return target


def place_of(order: dict) -> Path:
    """Return where the archive is made."""
    return Path(order["data"]) / "server" / "casa-backup"


def clean(order: dict) -> dict:
    """Leave nothing of an archive here."""
    place = place_of(order)
    snapshots = Path(order["data"]) / "server/db/snapshots"
    # A snapshot whose packing was cut off is one that k3s's retention knows nothing of.
    left = [*snapshots.glob(f"{order['name']}-*")] if order["action"] != "snapshot" else []
    there = place.exists() or bool(left)
    shutil.rmtree(str(place), ignore_errors=True)
    for path in left:
        path.unlink()
    return {"changed": there}


def pack(order: dict) -> dict:
    """Put snapshot and keys in one archive, which only root reads."""
    server = Path(order["data"]) / "server"
    clean(order)
    place = place_of(order)
    place.mkdir(mode=0o700)
    kind, saved = snapshot(order)
    if saved is None:
        raise NotSavedError(
            "this server keeps its objects in an external datastore, which is not k3s's to save.\n"
            "Fix: back that up with its own tools; k3s_token, which opens its data, is in the inventory"
        )
    members = {name: server / name for name in KEYS if (server / name).is_file()}
    members["node-password"] = Path(order["settings"]) / "node/password"
    members["datastore/" + saved.name] = saved
    found = run(order["program"], "--version").stdout.split()
    manifest = {
        "format": 1,
        "kind": "k3s",
        "version": found[2] if len(found) > 2 else "",
        "datastore": kind,
        "made": int(time.time()),
        "files": {name: digest_of(path) for name, path in sorted(members.items()) if path.is_file()},
    }
    manifest.update(order["about"])
    archive = place / "backup.tar"
    try:
        write(archive, manifest, {name: path for name, path in members.items() if name in manifest["files"]})
    finally:
        # The copy in k3s's own directory is one that its retention knows nothing of.
        saved.unlink()
    return {
        "changed": True,
        "path": str(archive),
        "size": archive.stat().st_size,
        "sha256": digest_of(archive),
        "datastore": kind,
        "version": manifest["version"],
    }


def write(archive: Path, manifest: dict, members: dict) -> None:
    """Write the archive, the manifest first."""
    text = json.dumps(manifest, indent=1).encode()
    descriptor = os.open(str(archive), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
        add(tar, "manifest.json", len(text), io.BytesIO(text))
        for name, path in sorted(members.items()):
            with path.open("rb") as content:
                add(tar, name, path.stat().st_size, content)


def add(tar: tarfile.TarFile, name: str, size: int, content: io.BufferedIOBase) -> None:
    """Add a file."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
    tar.addfile(entry, content)


def digest_of(path: Path) -> str:
    """Return a file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def main() -> int:
    """Do it; what was done is printed."""
    order = json.load(sys.stdin)
    os.umask(0o077)
    try:
        if order["action"] == "clean":
            answer = clean(order)
        elif order["action"] == "pack":
            answer = pack(order)
        else:
            kind, path = snapshot(order)
            answer = {"changed": path is not None, "datastore": kind, "path": str(path or "")}
    except NotSavedError as fault:
        answer = {"changed": False, "fault": str(fault)}
    except OSError as error:
        answer = {"changed": False, "fault": f"{error.filename or ''}: {error.strerror}"}
    if answer.get("fault"):
        clean(order)
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
