"""Looks at a host before anything is changed, and prints JSON. It only reads.

Arguments: the wanted versions of the hub's software and of the proxy's, the certificate, its key, the ports.

`missing`: which of the two files are not there. `taken`: which ports something else listens on. `ready`:
whether the units can be started: the software is built, the secrets are made, the certificate is there.
"""

import json
import subprocess
import sys
from pathlib import Path

HUB = Path("/opt/casa/hub")
PROXY = Path("/opt/casa/proxy")
SECRETS = Path("/usr/local/libexec/casa-hub-secrets")
SETTINGS = Path("/etc/casa-hub/proxy.json")
SYSTEMCTL = "/usr/bin/systemctl"
LISTENING = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h


def listening():
    """Return the ports that anything listens on."""
    ports = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
            ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING}
    return ports


def own_ports():
    """Return the ports that our proxy has, none where it does not run."""
    if subprocess.run([SYSTEMCTL, "is-active", "--quiet", "casa-proxy.service"], check=False).returncode:
        return set()
    try:
        settings = json.loads(SETTINGS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {settings.get("port"), settings.get("redirect_port")}


def current(directory, version):
    """Tell whether a version is built and chosen."""
    link = directory / "current"
    return link.resolve().name == version and link.is_dir()


def secrets_made():
    """Tell whether no secret is owed."""
    return SECRETS.exists() and subprocess.run([SECRETS, "due"], check=False).returncode == 0


def main(arguments):
    """Look and print."""
    hub, proxy, certificate, key, *ports = arguments
    missing = [path for path in (certificate, key) if not Path(path).is_file()]
    busy = listening() - own_ports()
    ready = not missing and current(HUB, hub) and current(PROXY, proxy) and secrets_made()
    taken = [int(port) for port in ports if int(port) in busy]
    print(json.dumps({"missing": missing, "taken": taken, "ready": ready}))


main(sys.argv[1:])
