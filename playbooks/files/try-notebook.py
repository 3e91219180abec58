"""Try on a host what its notebook hub lets one do and what it refuses. Runs as root; leaves nothing behind.

Arguments: ca=PATH, authorities besides those of the host. Prints one JSON object: try -> what came of it, for
`casa_install.health.notebook_checks` to judge. Everything goes to the address that users have, by its name.
"""

import http.client
import json
import pathlib
import pwd
import socket
import ssl
import stat
import subprocess
import sys
import urllib.parse

SECONDS = 30
SETTINGS = pathlib.Path("/etc/casa-hub/settings.json")
PROXY = pathlib.Path("/etc/casa-hub/proxy.json")
SECRETS = pathlib.Path("/etc/casa-hub/secrets")
CREDENTIALS = pathlib.Path("/run/casa-sessions")
CLOSED = ("/hub/api/users", "/hub/api/proxy", "/hub/metrics")
ELSEWHERE = "casa-verify.invalid"
LEADING = (
    "//" + ELSEWHERE + "/",
    "/hub//" + ELSEWHERE,
    "/hub/login?next=https%3A%2F%2F" + ELSEWHERE,
    "/hub/logout?next=https%3A%2F%2F" + ELSEWHERE,
    "/hub/user-redirect//" + ELSEWHERE,
)


def run(*words):
    """Return the output of a command; empty where it failed."""
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip()


def get(url, ca, path, headers=None):
    """Return status, headers and text of an answer, or why there is none."""
    try:
        context = ssl.create_default_context()
        if pathlib.Path(ca).is_file():
            context.load_verify_locations(ca)
        connection = http.client.HTTPSConnection(
            url.hostname, url.port or 443, timeout=SECONDS, context=context
        )
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as fault:
        return {"fault": str(fault), "status": 0, "headers": {}, "text": ""}
    found = {name.lower(): value for name, value in answer.getheaders()}
    return {"fault": "", "status": answer.status, "headers": found, "text": text}


def leads_away(url, ca, path):
    """Return whether an answer sends the browser to another host."""
    location = get(url, ca, path)["headers"].get("location", "")
    return urllib.parse.urlsplit(urllib.parse.urljoin(url.geturl(), location)).hostname == ELSEWHERE


def addresses():
    """Return the addresses of this host that others can reach."""
    said = json.loads(run("ip", "-json", "address") or "[]")
    each = (one for link in said for one in link.get("addr_info", []))
    return [one["local"] for one in each if one.get("scope") == "global"]


def reachable(ports):
    """Return where one of these ports can be reached from the network."""
    open_ports = []
    for address in addresses():
        for port in ports:
            try:
                socket.create_connection((address, port), 5).close()
            except OSError:
                continue
            open_ports.append(address + " port " + str(port))
    return open_ports


def loose():
    """Return secrets and credentials that others than their owner can reach."""
    found = []
    for path in [SECRETS, *SECRETS.glob("*")]:
        seen = path.lstat()
        if seen.st_uid != 0 or stat.S_IMODE(seen.st_mode) & 0o077:
            found.append(str(path))
    for home in CREDENTIALS.glob("*"):
        seen = home.lstat()
        if seen.st_uid != pwd.getpwnam(home.name).pw_uid or stat.S_IMODE(seen.st_mode) & 0o077:
            found.append(str(home))
    return found


def sessions():
    """Return what is wrong with each session's unit."""
    rows = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "casa-session-*.service")
    found, faults = 0, []
    for line in rows.splitlines():
        unit, _, state = line.split()[:3]
        found += 1
        account = unit.removeprefix("casa-session-").removesuffix(".service")
        said = run("systemctl", "show", unit, "--property=User,MainPID,MemoryMax,CPUQuotaPerSecUSec")
        has = dict(one.split("=", 1) for one in said.splitlines() if "=" in one)
        if state in ("activating", "deactivating"):
            continue
        if state != "active":
            faults.append(unit + " is " + state)
            continue
        try:
            uid = pwd.getpwnam(account).pw_uid
            owner = pathlib.Path("/proc", has["MainPID"]).stat().st_uid
        except (KeyError, OSError) as fault:
            faults.append(unit + ": " + str(fault))
            continue
        if owner != uid:
            faults.append(unit + " runs as uid " + str(owner) + ", not " + str(uid))
        if "infinity" in (has.get("MemoryMax"), has.get("CPUQuotaPerSecUSec")):
            faults.append(unit + " has no limit of memory or cores")
    return {"found": found, "faults": faults}


def in_force():
    """Return the allow rule, and whether the running hub has read the settings as they are."""
    allow = json.loads(SETTINGS.read_text())["allow"]
    since = run(
        "systemctl",
        "show",
        "casa-hub.service",
        "--property=ActiveEnterTimestamp",
        "--timestamp=unix",
        "--value",
    )
    # In the very second of the change the restart follows the change.
    read = since.startswith("@") and int(since[1:]) >= int(SETTINGS.stat().st_mtime)
    return {"rule": {key: value for key, value in allow.items() if value}, "read": read}


def main(arguments):
    """Print what was found."""
    given = dict(word.split("=", 1) for word in arguments)
    print("casa-install answer 1")
    if not SETTINGS.is_file() or not PROXY.is_file():
        print(json.dumps({"notebook_tried": {"installed": False}}))
        return
    url = urllib.parse.urlsplit(json.loads(SETTINGS.read_text())["url"])
    proxy = json.loads(PROXY.read_text())
    page = get(url, given["ca"], "/hub/login")
    lies = {"X-Forwarded-Host": ELSEWHERE, "X-Forwarded-Proto": "http", "Forwarded": "host=" + ELSEWHERE}
    forged = get(url, given["ca"], "/hub/home", lies)
    # The hub's own port, and those of the proxy that are for this host only.
    ports = [8081, proxy.get("api_port", 8001), *filter(None, [proxy.get("metrics_port")])]
    found = {
        "installed": True,
        "page": {key: page[key] for key in ("fault", "status")},
        "hsts": page["headers"].get("strict-transport-security", ""),
        "hsts_wanted": proxy.get("hsts_seconds", 0) > 0,
        "api": {path: get(url, given["ca"], path)["status"] for path in CLOSED},
        "forged": ELSEWHERE in forged["text"] + json.dumps(forged["headers"]),
        "forged_status": forged["status"],
        "redirected": [path for path in LEADING if leads_away(url, given["ca"], path)],
        "reachable": reachable(ports),
        "allow": in_force(),
        "sessions": sessions(),
        "loose": loose(),
    }
    print(json.dumps({"notebook_tried": found}))


if __name__ == "__main__":
    main(sys.argv[1:])
