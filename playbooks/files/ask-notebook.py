"""Ask a host about its notebook hub. Runs on the host as root; changes nothing there.

Arguments: certificate=PATH, the certificate that the proxy should show. Prints one JSON object. Of the
metrics only numbers are taken, and of accounts only how many there are.
"""

import hashlib
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

SECONDS = 20
CURRENT = pathlib.Path("/opt/casa/hub/current")
SETTINGS = pathlib.Path("/etc/casa-hub/settings.json")
PROXY = pathlib.Path("/etc/casa-hub/proxy.json")
SECRETS = pathlib.Path("/etc/casa-hub/secrets")
RECEIPT = pathlib.Path("/etc/casa-install/receipts/notebook.json")
HUB = "http://127.0.0.1:8081/hub"
UNITS = ("casa-hub.service", "casa-proxy.service")
UNTRIED = ("throttled", "too-many-users", "already-pending")
RESTARTS = {"Restart the hub": UNITS[0], "Restart the hub's proxy": UNITS[1]}


def run(*words):
    """Return status and both outputs of a command; 127 and a reason if it cannot run."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return 127, "", words[0] + " is not installed"
    except subprocess.TimeoutExpired:
        return 124, "", words[0] + " did not answer within " + str(SECONDS) + " s"
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def get(url, headers=None, context=None):
    """Return what a URL gives, without a proxy of the computer's; raises OSError where it does not."""
    handlers = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.build_opener(*handlers).open(request, timeout=SECONDS) as answer:
        return answer.read().decode("utf-8", "replace")


def properties(unit, *names):
    """Return properties of a unit by name."""
    _, output, _ = run(
        "systemctl", "show", unit, "--timestamp=unix", *("--property=" + name for name in names)
    )
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def units():
    """Return state, restarts and start (seconds since 1970) of each unit."""
    found = {}
    for unit in UNITS:
        said = properties(unit, "ActiveState", "NRestarts", "ActiveEnterTimestamp")
        since = said.get("ActiveEnterTimestamp", "").lstrip("@")
        found[unit] = {
            "state": said.get("ActiveState", ""),
            "restarts": int(said.get("NRestarts") or 0),
            "since": int(since) if since.isdigit() else None,
        }
    return found


def sessions():
    """Return how many sessions run, what memory they have in bytes, and which have failed."""
    _, output, _ = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "casa-session-*.service")
    rows = [line.split() for line in output.splitlines() if line.strip()]
    running = [row[0] for row in rows if row[2] == "active"]
    memory = [properties(unit, "MemoryCurrent").get("MemoryCurrent", "") for unit in running]
    return {
        "running": len(running),
        "memory": sum(int(each) for each in memory if each.isdigit()),
        "failed": [row[0] for row in rows if row[2] == "failed"],
    }


def answer_of_hub():
    """Return the hub's version and how long it took to say it, or why it did not."""
    before = time.monotonic()
    try:
        said = json.loads(get(HUB + "/api/"))
    except (OSError, ValueError) as fault:
        return {"version": "", "seconds": None, "fault": str(fault)}
    return {"version": said["version"], "seconds": round(time.monotonic() - before, 3), "fault": ""}


def spawns():
    """Return how many spawns succeeded and failed since the hub started; nothing where it does not count."""
    token = SECRETS / "metrics_token"
    if not token.is_file():
        return None
    try:
        text = get(HUB + "/metrics", {"Authorization": "token " + token.read_text().strip()})
    except OSError:
        return None
    return count_spawns(text)


def count_spawns(metrics):
    """Return both counts from Prometheus's text; what the hub did not try to start counts for neither."""
    counts = {"success": 0, "failure": 0}
    pattern = r"^jupyterhub_server_spawn_duration_seconds_count\{(.*)\} (\S+)$"
    for labels, value in re.findall(pattern, metrics, re.MULTILINE):
        said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if said.get("reason", "") not in UNTRIED:
            counts["success" if said["status"] == "success" else "failure"] += int(float(value))
    return counts


def provider(login):
    """Return whether the login provider answers; nothing where logins are the host's own."""
    if login.get("kind") == "pam":
        return None
    try:
        context = ssl.create_default_context(cafile=login.get("ca_bundle") or None)
        url = login["issuer"].rstrip("/") + "/.well-known/openid-configuration"
        json.loads(get(url, context=context))
    except (OSError, ValueError) as fault:
        return {"issuer": login["issuer"], "fault": str(fault)}
    return {"issuer": login["issuer"], "fault": ""}


def certificate(path):
    """Return fingerprint and end (seconds since 1970) of the first certificate of a file."""
    try:
        text = pathlib.Path(path).read_text()
        der = ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----") + 25])
    except (OSError, ValueError) as fault:
        return {"fault": str(fault)}
    _, output, _ = run("openssl", "x509", "-in", str(path), "-noout", "-enddate")
    ends = ssl.cert_time_to_seconds(output.partition("=")[2]) if "=" in output else None
    return {"fingerprint": hashlib.sha256(der).hexdigest(), "ends": ends}


def served(address, port):
    """Return the fingerprint of the certificate that the proxy shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        plain = socket.create_connection((address or "localhost", port), SECONDS)
        with context.wrap_socket(plain) as secured:
            return hashlib.sha256(secured.getpeercert(True)).hexdigest()
    except OSError:
        return ""


def accounts():
    """Return how many accounts the hub has given, and how many people seem to have several."""
    status, output, _ = run("/usr/local/sbin/casa-hub-accounts", "list", "--json")
    if status:
        return None
    said = json.loads(output)
    return {"given": len(said["accounts"]), "look_alikes": len(said["look_alikes"])}


def receipt(states):
    """Return what is owed, and the files of ours that somebody else changed since.

    A restart since then, by whomever, was what was owed; the receipt learns of it with the next run. A start
    in the very second of the record counts: the record is made before the change.
    """
    if not RECEIPT.is_file():
        return [], []
    text = json.loads(RECEIPT.read_text())
    drift = []
    for entry in text.get("entries", []):
        digest = entry.get("ours", {}).get("sha256")
        if entry.get("kind") != "file" or not digest:
            continue
        ours = pathlib.Path(entry["name"])
        if not ours.is_file():
            drift.append({"path": entry["name"], "what": "is gone"})
        elif hashlib.sha256(ours.read_bytes()).hexdigest() != digest:
            drift.append({"path": entry["name"], "what": "was changed by somebody else"})
    owed = []
    for item in text.get("owed", []):
        unit = RESTARTS.get(item.get("handler"))
        if unit is None or item.get("since", 0) > (states[unit]["since"] or 0):
            owed.append(item)
    return owed, drift


def main(arguments):
    """Print what was found."""
    given = dict(word.split("=", 1) for word in arguments)
    answer = {
        "installed": CURRENT.exists() and SETTINGS.is_file(),
        "time": int(time.time()),
        "units": units(),
    }
    if answer["installed"]:
        settings = json.loads(SETTINGS.read_text())
        proxy = json.loads(PROXY.read_text()) if PROXY.is_file() else {}
        answer |= {
            "url": settings["url"],
            "hub": answer_of_hub(),
            "sessions": sessions(),
            "spawns": spawns(),
            "provider": provider(settings["login"]),
            "environment": str(pathlib.Path(settings["session"]["environment"]).resolve()),
            "certificate": certificate(given["certificate"]),
            "served": served(proxy.get("address"), proxy.get("port", 443)),
            "accounts": accounts(),
        }
        answer["owed"], answer["drift"] = receipt(answer["units"])
    print("casa-install answer 1")
    print(json.dumps({"notebook": answer}))


if __name__ == "__main__":
    main(sys.argv[1:])
