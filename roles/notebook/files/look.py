"""Looks at a host before anything is changed, and prints JSON. It only reads.

Arguments: the wanted versions of the hub's software and of the proxy's, the certificate, its key, and the ports.

`missing`: which of the two files are not there. `taken`: which ports something else listens on. `ready`: whether
the units can be started: the software is built, the secrets are made, the certificate is there.
"""

import json
import os
import subprocess
import sys

HUB = "/opt/casa/hub"
PROXY = "/opt/casa/proxy"
SECRETS = "/usr/local/libexec/casa-hub-secrets"
SETTINGS = "/etc/casa-hub/proxy.json"
LISTENING = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h


def listening():
    """Return the ports that anything listens on."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except FileNotFoundError:
            continue
        ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING}
    return ports


def own_ports():
    """Return the ports that our proxy has, none where it does not run."""
    if subprocess.run(["systemctl", "is-active", "--quiet", "casa-proxy.service"], check=False).returncode:
        return set()
    try:
        with open(SETTINGS, encoding="utf-8") as file:
            settings = json.load(file)
    except (OSError, ValueError):
        return set()
    return {settings.get("port"), settings.get("redirect_port")}


def current(directory, version):
    """Tell whether a version is built and chosen."""
    link = os.path.join(directory, "current")
    return os.path.basename(os.path.realpath(link)) == version and os.path.isdir(link)


def secrets_made():
    """Tell whether no secret is owed."""
    if not os.path.exists(SECRETS):
        return False
    return subprocess.run([SECRETS, "due"], check=False).returncode == 0


def main(arguments):
    hub, proxy, certificate, key, *ports = arguments
    missing = [path for path in (certificate, key) if not os.path.isfile(path)]
    busy = listening() - own_ports()
    ready = not missing and current(HUB, hub) and current(PROXY, proxy) and secrets_made()
    taken = [int(port) for port in ports if int(port) in busy]
    print(json.dumps({"missing": missing, "taken": taken, "ready": ready}))


main(sys.argv[1:])
