"""Look for secrets on this host. Standard input: a JSON object, name to secret. Prints where they are.

Each may be where it belongs: the hub's in files of root, a session's token in its unit and its owner's home.
"""

import json
import pathlib
import re
import sys

wanted = {name: secret.encode() for name, secret in json.load(sys.stdin).items()}
SECRETS = pathlib.Path("/etc/casa-hub/secrets")
for path in SECRETS.iterdir():
    wanted[path.name] = path.read_bytes().strip()

# The session's token is in the environment of her own processes; nobody else can read that.
unit = pathlib.Path("/sys/fs/cgroup/system.slice/casa-session-ada.service/cgroup.procs").read_text().split()
(token,) = {
    part.partition(b"=")[2]
    for number in unit[:1]
    for part in pathlib.Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    if part.startswith(b"JUPYTERHUB_API_TOKEN=")
}
wanted["the token of ada's session"] = token
assert all(len(secret) >= 8 for secret in wanted.values()), [name for name in wanted if len(wanted[name]) < 8]

MAY = re.compile(
    r"/etc/casa-hub/secrets/[a-z_]+$|/run/casa-proxy-secrets/token$|/run/casa-session-ada/|/home/[a-z]+/"
)
found = []
for top in (
    "/var/log",
    "/var/lib",
    "/run",
    "/etc",
    "/tmp",
    "/var/tmp",
    "/root",
    "/home",
    "/opt/casa/proxy",
    "/usr/local",
    "/srv/people",
):
    for path in pathlib.Path(top).rglob("*"):
        if path.is_symlink() or not path.is_file() or str(path).startswith("/run/credentials"):
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if MAY.match(str(path)):
            continue
        found += [f"{what} in {path}" for what, secret in wanted.items() if secret in data]
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        data = (process / "cmdline").read_bytes()
    except OSError:
        continue
    found += [
        f"{what} in the arguments of {process.name}" for what, secret in wanted.items() if secret in data
    ]
for path in SECRETS.iterdir():
    if path.stat().st_mode & 0o777 != 0o600 or path.stat().st_uid != 0:
        found.append(f"{path} is not of root alone")
if SECRETS.stat().st_mode & 0o777 != 0o700:
    found.append(f"{SECRETS} can be listed")
print("\n".join(sorted(set(found))))
