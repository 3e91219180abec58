"""Brings a cluster back onto a server that has no data.

Reads one JSON object: action (look or restore), data (k3s's data directory), settings (the directory of its
settings), unit, program, node, others (addresses of the cluster's other servers), place (the directory that
the archive lies in), join (the file that the unit takes its environment from), seconds. Prints one:
refused, or what was found and done; nothing of what is restored is in it. For Python 3.9, standard library
only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MESSAGE = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
FULL_TOKEN = re.compile(r"K10[0-9a-f]{64}::[^:]*:(.*)", re.DOTALL)
KEYS = ("tls", "cred", "token", "agent-token")


class RefusedError(Exception):
    """Why nothing is done, or has been undone."""


def found_data(server: Path) -> list:
    """Return what makes a server one that is not empty."""
    known = ("db/etcd/member", "db/state.db", "tls/server-ca.key", "cred/passwd", "token")
    return [str(server / name) for name in known if (server / name).exists()]


def runs(unit: str) -> bool:
    """Tell whether the unit runs, or tries to."""
    shown = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True, check=False)
    return shown.stdout.strip() in ("active", "activating", "reloading")


def answers(address: str) -> bool:
    """Tell whether a server shows its authority there."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    https = urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
    try:
        with opener.open(f"https://{address}/cacerts", timeout=5) as answer:
            return bool(answer.read(1))
    except (OSError, ValueError):
        return False


def look(order: dict) -> dict:
    """Say what is on this server, and whether others of the cluster run."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda address: (address, answers(address)), order["others"]))
    return {
        "runs": runs(order["unit"]),
        "data": found_data(Path(order["data"]) / "server"),
        "alive": [address for address, there in found if there],
    }


def password_of(path: Path) -> str:
    """Return the secret part of a token's file."""
    text = path.read_text(encoding="utf-8").strip()
    full = FULL_TOKEN.fullmatch(text)
    return full.group(1) if full else text


def unpack(order: dict) -> dict:
    """Unpack the archive, whose members casa-install has compared with its manifest; return the manifest."""
    place = Path(order["place"])
    # Of a restore that was cut off.
    shutil.rmtree(place / "content", ignore_errors=True)
    with tarfile.open(place / "backup.tar.gz", "r:gz") as tar:
        for member in tar.getmembers():
            target = place / "content" / member.name
            if not member.isreg() or ".." in target.parts:
                raise RefusedError(f"the archive holds {member.name}, which no backup has")
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            source = tar.extractfile(member)
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    return json.loads((place / "content/manifest.json").read_text(encoding="utf-8"))


def compare_tokens(content: Path, settings: Path) -> None:
    """Refuse to restore what the inventory's tokens do not open."""
    for name, variable in (("token", "k3s_token"), ("agent-token", "k3s_agent_token")):
        saved, given = content / name, settings / "k3s" / name
        if saved.is_file() and password_of(saved) != password_of(given):
            raise RefusedError(
                f"{variable} is not the one that the cluster had when it was saved: its data is encrypted "
                "with that, and its nodes know no other.\nFix: put the value of that day back"
            )


def place_keys(content: Path, server: Path) -> None:
    """Put the cluster's authorities and credentials where k3s reads them."""
    for source in sorted(content.rglob("*")):
        name = source.relative_to(content)
        if source.is_file() and name.parts[0] in KEYS:
            target = server / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o600)


def reset(order: dict, snapshot: Path) -> None:
    """Have k3s make a new etcd of one member from a snapshot; it ends by itself then."""
    database = Path(order["data"]) / "server/db"
    # k3s moves the old one away first, and fails where there is none.
    (database / "etcd").mkdir(mode=0o700, parents=True)
    words = [order["program"], "server", "--cluster-reset", f"--cluster-reset-restore-path={snapshot}"]
    log = Path(order["place"]) / "reset.log"
    environment = {**os.environ, "K3S_CLUSTER_INIT": "true"}
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        try:
            done = subprocess.run(
                words,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=environment,
                timeout=order["seconds"],
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            late = f"k3s did not restore the snapshot within {order['seconds']} s{said(log)}"
            raise RefusedError(late) from error
    if done.returncode:
        raise RefusedError(f"k3s did not restore the snapshot{said(log)}")
    for old in database.glob("etcd-old-*"):
        shutil.rmtree(old)


def said(log: Path) -> str:
    """Return the last reason that k3s gave."""
    found = MESSAGE.findall(log.read_text(encoding="utf-8", errors="replace"))
    return f": {found[-1][:500]}" if found else ""


def restore(order: dict) -> dict:
    """Put everything in its place; nothing of it stays where that fails."""
    server = Path(order["data"]) / "server"
    there = found_data(server)
    if there or runs(order["unit"]):
        raise RefusedError(f"this server is not empty: {', '.join(there) or order['unit'] + ' runs'}")
    manifest = unpack(order)
    content = Path(order["place"]) / "content"
    settings = Path(order["settings"])
    compare_tokens(content, settings)
    (saved,) = (content / "datastore").iterdir()
    try:
        server.mkdir(mode=0o700, exist_ok=True)
        place_keys(content, server)
        if manifest["datastore"] == "etcd":
            reset(order, saved)
        else:
            (server / "db").mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(saved, server / "db/state.db")
            (server / "db/state.db").chmod(0o600)
        write(Path(order["join"]), "K3S_CLUSTER_INIT=true\n" if manifest["datastore"] == "etcd" else "\n")
    except BaseException:
        for name in (*KEYS, "db"):
            forget(server / name)
        raise
    saved, password = content / "node-password", settings / "node/password"
    # Under another name it would be none that the cluster knows.
    if manifest["node"] == order["node"] and saved.is_file() and not password.exists():
        password.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copyfile(saved, password)
        password.chmod(0o600)
    return {"changed": True}


def forget(path: Path) -> None:
    """Take away a file or a directory, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        path.unlink()


def write(path: Path, text: str) -> None:
    """Write what a server's way to its cluster is, as when it first came to it."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"# Written once by casa-install, when this server came to its cluster.\n{text}")
    temporary.replace(path)


def main() -> int:
    """Do it; what was done or refused is printed."""
    order = json.load(sys.stdin)
    os.umask(0o077)
    try:
        answer = look(order) if order["action"] == "look" else restore(order)
    except RefusedError as error:
        answer = {"refused": str(error)}
    except (OSError, tarfile.TarError, ValueError) as error:
        answer = {"refused": f"{error}"}
    sys.stdout.write(json.dumps({"changed": False, "refused": ""} | answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
