"""Settles once how a server gets to its cluster: it founds it, or joins the one that is there.

A server that has data of its own belongs to a cluster already and is left alone. One without asks the others.
Two servers that each found a cluster could not be brought together again, so where there is doubt nothing is
founded.

Reads one JSON object: file (what the unit takes its environment from), data (k3s's data directory), first (it
may found), known (the site's cluster was seen before), embedded (servers meet in etcd), others (addresses of
other servers), authority (SHA-256 of the cluster's CA file, or empty). Prints one: changed, refused. For
Python 3.9, standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def authority_of(address: str) -> tuple:
    """Return the SHA-256 of the CA file that a server shows, or nothing and why; it is not trusted yet."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    https = urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
    try:
        with opener.open(f"https://{address}/cacerts", timeout=5) as answer:
            return hashlib.sha256(answer.read(100000)).hexdigest(), ""
    except (OSError, ValueError) as error:
        return "", str(getattr(error, "reason", error))


def decide(order: dict) -> tuple:
    """Return the file's text, or nothing and why there can be none."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda address: (address, *authority_of(address)), order["others"]))
    alive = [(address, found) for address, found, _ in answers if found]
    foreign = [address for address, found in alive if order["authority"] and found != order["authority"]]
    if foreign:
        return "", (
            f"{foreign[0]} is a server of another cluster: its certificate authority is not the one that "
            "this site's kubeconfig names.\nFix: look which machine that is. If the cluster was made anew, "
            "remove the kubeconfig on this computer and apply again."
        )
    if alive:
        return f"K3S_URL=https://{alive[0][0]}\n", ""
    silent = "; ".join(f"{address}: {why}" for address, _, why in answers) or "there is none"
    if order["first"] and not order["known"]:
        return "K3S_CLUSTER_INIT=true\n" if order["embedded"] else "\n", ""
    if order["first"]:
        return "", (
            "The site's cluster is known on this computer, but this server has none of its data and no other "
            f"server answers ({silent}). A new cluster here would be a second one.\nFix: start the other "
            "servers; or restore the cluster from its backup; or, to begin anew, remove the cluster's "
            "kubeconfig on this computer and apply again."
        )
    return "", (
        f"No server of the cluster answers, so this one has nothing to join ({silent}).\nFix: install the "
        "first server of the group k3s_server, and let 6443/tcp through between servers."
    )


def main() -> int:
    """Settle it; what was done is printed."""
    order = json.load(sys.stdin)
    path = Path(order["file"])
    database = Path(order["data"]) / "server" / "db"
    text = refused = ""
    if not any(place.exists() for place in (path, database / "etcd" / "member", database / "state.db")):
        text, refused = decide(order)
    if text:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"# Written once by casa-install, when this server came to its cluster.\n{text}")
        temporary.replace(path)
    sys.stdout.write(json.dumps({"changed": bool(text), "refused": refused}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
