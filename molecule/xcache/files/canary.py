"""Look for tokens and secrets on this host. Standard input: a JSON list of tokens. Prints where they are.

What may hold them: /run/xcache-auth and the client's secret, of root or the account of XRootD alone.
"""

import json
import pathlib
import sys

wanted = {
    f"token {number}": token.split(".")[1].encode() for number, token in enumerate(json.load(sys.stdin))
}
own = pathlib.Path("/run/xcache-auth/token").read_text().strip()
wanted["the cache's own token"] = own.split(".")[1].encode()
wanted["the client's secret"] = pathlib.Path("/etc/xrootd/casa-client-secret").read_bytes().strip()
may = {"/run/xcache-auth/token", "/etc/xrootd/casa-client-secret"}
found = []
for top in (
    "/var/log",
    "/var/lib",
    "/var/spool",
    "/run",
    "/etc",
    "/tmp",
    "/var/tmp",
    "/xcache/meta",
    "/root",
):
    for path in pathlib.Path(top).rglob("*"):
        if str(path) in may or path.is_symlink() or not path.is_file():
            continue
        try:
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
