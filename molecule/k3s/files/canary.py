"""Look for a cluster's tokens on this host. Standard input: secrets (of servers and of agents), agent.

What may hold them: the files that k3s reads them from, and the directory of a server's own secrets, all
root's alone. An agent never has the servers'.
"""

import json
import pathlib
import stat
import sys

order = json.load(sys.stdin)
wanted = {f"token {number}": secret.encode() for number, secret in enumerate(order["secrets"])}
may = ["/etc/rancher/k3s/agent-token"] + (
    [] if order["agent"] else ["/etc/rancher/k3s/token", "/var/lib/rancher/k3s/server"]
)
found = []
for place in may:
    path = pathlib.Path(place)
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        found.append(f"{path} is open to others")
for top in ("/var/log", "/var/lib", "/var/spool", "/run", "/etc", "/tmp", "/var/tmp", "/root"):
    for path in pathlib.Path(top).rglob("*"):
        if any(str(path).startswith(place) for place in may) or path.is_symlink():
            continue
        # Images and layers of containers are not the cluster's words, and large.
        if "/agent/images/" in str(path) or "/agent/containerd/io.containerd" in str(path):
            continue
        try:
            if not path.is_file():
                continue
            data = path.read_bytes()
        except OSError:
            continue
        found += [f"{what} in {path}" for what, secret in wanted.items() if secret in data]
for process in pathlib.Path("/proc").glob("[0-9]*"):
    for part in ("cmdline", "environ"):
        try:
            data = (process / part).read_bytes()
        except OSError:
            continue
        found += [f"{what} in {part} of {process.name}" for what, secret in wanted.items() if secret in data]
print("\n".join(sorted(set(found))))
