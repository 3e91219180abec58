"""Ask a host about its k3s. Runs on the host as root; changes nothing there.

Arguments: `kind=server` or `kind=agent`; `cluster` where this server is asked about the whole cluster;
`wanted=JSON`, what the inventory says, which is handed back. Prints one JSON object. Keys are used to ask the
host's own API and etcd; none of them leaves the host.
"""

import base64
import calendar
import contextlib
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
BINARY = "/usr/local/bin/k3s"
DATA = pathlib.Path("/var/lib/rancher/k3s")
TLS = DATA / "server/tls"
CONFIG = pathlib.Path("/etc/rancher/k3s")
RECEIPT = pathlib.Path("/etc/casa-install/receipts/k3s.json")
ETCD_KEYS = ("server-ca.crt", "client.crt", "client.key")
SIZES = {"bytes": "etcd_mvcc_db_total_size_in_bytes", "quota": "etcd_server_quota_backend_bytes"}
UNITS = {"server": "k3s.service", "agent": "k3s-agent.service"}


def run(*words, executable=None):
    """Return status and both outputs of a command; 127 and a reason if it cannot run."""
    try:
        done = subprocess.run(
            words,
            executable=executable,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        return 127, "", words[0] + " cannot be run"
    except subprocess.TimeoutExpired:
        return 124, "", words[0] + " did not answer within " + str(SECONDS) + " s"
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def get(url, ca, certificate, key, body=None):
    """Return what a URL of this host gives to a holder of a key; raises OSError where it does not."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(str(certificate), str(key))
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    with urllib.request.build_opener(*handlers).open(url, body, timeout=SECONDS) as answer:
        return answer.read().decode("utf-8", "replace")


def from_api(path):
    """Return what the API on this host gives to its administrator."""
    ca, name = TLS / "server-ca.crt", "client-admin"
    return get("https://127.0.0.1:" + str(port()) + path, ca, TLS / (name + ".crt"), TLS / (name + ".key"))


def reason(fault):
    """Return an error in a few words."""
    if isinstance(fault, urllib.error.HTTPError):
        with contextlib.suppress(OSError):
            failed = re.findall(r"^\[-\](\S+)", fault.read().decode("utf-8", "replace"), re.MULTILINE)
            if failed:
                return "it answers " + str(fault.code) + ", failed: " + ", ".join(failed)
        return "it answers " + str(fault.code)
    why = getattr(fault, "reason", fault)
    return str(getattr(why, "strerror", "") or why)


def settings():
    """Return the plain values of k3s's own configuration, as k3s reads its files: the last one wins."""
    files = [CONFIG / "config.yaml", *sorted(CONFIG.glob("config.yaml.d/*.yaml"))]
    found = {}
    for path in files:
        if path.is_file():
            pattern = r"^([a-z][a-z0-9-]*): *[\"']?([^\"'\n#]*?)[\"']?\s*$"
            found.update(re.findall(pattern, path.read_text(), re.MULTILINE))
    return found


def port():
    """Return the API's port."""
    return int(settings().get("https-listen-port") or 6443)


def unit(name):
    """Return what systemd says of the unit."""
    names = ("ActiveState", "SubState", "NRestarts", "MainPID", "ActiveEnterTimestamp")
    wanted = ["--property=" + each for each in names]
    _, output, _ = run("systemctl", "show", name, "--timestamp=unix", *wanted)
    said = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    since = said.get("ActiveEnterTimestamp", "").lstrip("@")
    return {
        "name": name,
        "state": said.get("ActiveState", ""),
        "restarts": int(said.get("NRestarts") or 0),
        "pid": int(said.get("MainPID") or 0),
        "since": int(since) if since.isdigit() else None,
    }


def version(*words, executable=None):
    """Return the version that a k3s says it is."""
    _, output, _ = run(*words, executable=executable)
    found = re.search(r"^k3s version (\S+)", output, re.MULTILINE)
    return found[1] if found else ""


def fatal(name):
    """Return the last reason that k3s gave for ending; tokens are cut out."""
    _, output, _ = run("journalctl", "--unit", name, "--lines=400", "--output=cat", "--no-pager")
    lines = [line for line in output.splitlines() if "level=fatal" in line]
    if not lines:
        return ""
    text = re.search(r'msg="((?:[^"\\]|\\.)*)"', lines[-1])
    said = text[1].replace('\\"', '"') if text else lines[-1]
    return re.sub(r"K10[0-9a-f]+::\S+", "K10...", said)[:500]


def parts(der):
    """Yield tag and content of each element of a DER sequence's content."""
    while der:
        tag, length, at = der[0], der[1], 2
        if length & 0x80:
            at = 2 + (length & 0x7F)
            length = int.from_bytes(der[2:at], "big")
        yield tag, der[at : at + length]
        der = der[at + length :]


def ends(der):
    """Return when a certificate ends, in seconds since 1970 (RFC 5280, 4.1)."""
    (_, whole), *_ = parts(der)
    (_, body), *_ = parts(whole)
    fields = [content for tag, content in parts(body) if tag != 0xA0]
    tag, text = list(parts(fields[3]))[1]
    layout = "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ"
    return calendar.timegm(time.strptime(text.decode(), layout))


def certificates():
    """Return k3s's own certificates, by file, with when they end; those of authorities are not among them."""
    found = {}
    for directory in (TLS, TLS / "etcd", DATA / "agent"):
        for path in sorted(directory.glob("*.crt")):
            if path.name.endswith("-ca.crt") or "-ca." in path.name:
                continue
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = path.read_text()
                first = text[text.index("-----BEGIN CERT") : text.index("-----END CERT")]
                der = base64.b64decode("".join(first.splitlines()[1:]))
                found[str(path.relative_to(DATA))] = ends(der)
    return found


def served():
    """Return when the certificate ends that the API shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        plain = socket.create_connection(("127.0.0.1", port()), SECONDS)
        with context.wrap_socket(plain) as secured:
            return ends(secured.getpeercert(True))
    except (OSError, ValueError, IndexError):
        return None


def api():
    """Return whether the API on this host is ready, and why it is not."""
    before = time.monotonic()
    try:
        from_api("/readyz?verbose")
    except (OSError, ValueError) as fault:
        return {"ready": False, "seconds": None, "fault": reason(fault)}
    return {"ready": True, "seconds": round(time.monotonic() - before, 3), "fault": ""}


def etcd():
    """Return the health of the etcd on this host, and its size; nothing where it has none.

    Who its members are it tells in gRPC only; k3s marks their nodes, though.
    """
    if not (DATA / "server/db/etcd/config").is_file():
        return None
    base, keys = "https://127.0.0.1:2379", [TLS / "etcd" / name for name in ETCD_KEYS]
    found = {"healthy": False, "fault": "", "bytes": None, "quota": None}
    try:
        said = json.loads(get(base + "/health", *keys))
        found["healthy"] = said.get("health") in ("true", True)
        found["fault"] = (
            "" if found["healthy"] else str(said.get("reason") or "it says that it is not healthy")
        )
        metrics = get(base + "/metrics", *keys)
    except (OSError, ValueError) as fault:
        return {**found, "fault": reason(fault)}
    for key, name in SIZES.items():
        size = re.search("^" + name + r" (\S+)", metrics, re.MULTILINE)
        found[key] = int(float(size[1])) if size else None
    return found


def entry_point():
    """Return the port that Traefik was told to have for Dask; 0 for none."""
    path = DATA / "server/manifests/casa-traefik.yaml"
    port = re.search(r"^ *exposedPort: *(\d+)", path.read_text(), re.MULTILINE) if path.is_file() else None
    return int(port[1]) if port else 0


def snapshot():
    """Return the newest snapshot of etcd on this host: name and when it was taken; nothing without one."""
    directory = pathlib.Path(settings().get("etcd-snapshot-dir") or DATA / "server/db/snapshots")
    files = [path for path in directory.glob("*") if path.is_file()] if directory.is_dir() else []
    if not files:
        return None
    newest = max(files, key=lambda path: path.stat().st_mtime)
    return {"name": newest.name, "time": int(newest.stat().st_mtime), "bytes": newest.stat().st_size}


def nodes():
    """Return what of each node a status needs, in the API's own form."""
    try:
        items = json.loads(from_api("/api/v1/nodes"))["items"]
    except (OSError, ValueError) as fault:
        return {"fault": reason(fault), "items": []}
    return {"fault": "", "items": [slim(item) for item in items]}


def slim(node):
    """Return a node without what a status does not need: images alone make it 50 times as large."""
    labels = node["metadata"].get("labels") or {}
    status = node.get("status", {})
    return {
        "metadata": {
            "name": node["metadata"]["name"],
            "labels": {key: value for key, value in labels.items() if key.startswith("node-role")},
        },
        "spec": {"unschedulable": node.get("spec", {}).get("unschedulable", False)},
        "status": {
            "conditions": [each for each in status.get("conditions") or [] if each["type"] == "Ready"],
            "nodeInfo": {"kubeletVersion": status.get("nodeInfo", {}).get("kubeletVersion", "")},
        },
    }


def receipt(started):
    """Return what is owed, and the files of ours that somebody else changed since.

    A restart by hand is what was owed; the receipt learns of it with the next run. A start in the very second
    of the record counts: the record is made before the change.
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
    return [item for item in text.get("owed", []) if item.get("since", 0) > (started or 0)], drift


def main(arguments):
    """Print what was found."""
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    kind = given["kind"]
    said, own = unit(UNITS[kind]), settings()
    answer = {
        "kind": kind,
        "installed": pathlib.Path(BINARY).exists(),
        "time": int(time.time()),
        "node": own.get("node-name") or socket.gethostname().lower(),
        "unit": said,
        "wanted": json.loads(given.get("wanted", "{}")),
        "policies": own.get("disable-network-policy") != "true" and own.get("flannel-backend") != "none",
    }
    if answer["installed"]:
        answer["version"] = version(BINARY, "--version")
        running = "/proc/" + str(said["pid"]) + "/exe"
        answer["running"] = version("k3s", "--version", executable=running) if said["pid"] else ""
        answer["certificates"] = certificates()
        answer["fatal"] = "" if said["state"] == "active" else fatal(UNITS[kind])
        answer["owed"], answer["drift"] = receipt(said["since"])
        if kind == "server":
            answer["dask_port"] = entry_point()
            answer["snapshots"] = own.get("etcd-disable-snapshots") != "true"
            answer |= {"api": api(), "served": served(), "etcd": etcd(), "snapshot": snapshot()}
    if answer["installed"] and "cluster" in arguments:
        answer["nodes"] = nodes()
    print("casa-install answer 1")
    print(json.dumps({"k3s": answer}))


if __name__ == "__main__":
    main(sys.argv[1:])
