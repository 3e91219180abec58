"""Ask a host about its cache. Runs on the host as root; changes nothing there.

Arguments: certificate=PATH, the host's own certificate. Prints one JSON object. Of tokens and keys only
what they say of themselves is read; none of them leaves the host.
"""

import base64
import contextlib
import hashlib
import json
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys
import time

SECONDS = 20
UNIT = "xrootd@casa.service"
TIMER = "casa-xcache-watch.timer"
CONFIG = pathlib.Path("/etc/xrootd/xrootd-casa.cfg")
SECRETS = pathlib.Path("/run/xcache-auth")
WATCH = pathlib.Path("/var/lib/casa-xcache/watch.json")
RECEIPT = pathlib.Path("/etc/casa-install/receipts/xcache.json")


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


def settings():
    """Return the ports and whether they speak TLS, as XRootD's own configuration says."""
    text = CONFIG.read_text() if CONFIG.is_file() else ""
    port = re.search(r"^xrd\.port (\d+)", text, re.MULTILINE)
    http = re.search(r"^xrd\.protocol (?:tls )?http:(\d+)", text, re.MULTILINE)
    return {
        "port": int(port[1]) if port else 0,
        "http_port": int(http[1]) if http else 0,
        "tls": bool(re.search(r"^xrd\.tls ", text, re.MULTILINE)),
        "data": re.findall(r"^oss\.space data (\S+)", text, re.MULTILINE),
    }


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


def served(port, xrootd):
    """Return the fingerprint of the certificate that a port shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("localhost", port), SECONDS) as plain:
            if xrootd:
                # Handshake and kXR_protocol with "TLS wanted"; the two answers have 16 and at least 16 bytes.
                plain.sendall(
                    struct.pack(">5i", 0, 0, 0, 4, 2012)
                    + struct.pack(">HHIBB10sI", 1, 3006, 0x520, 3, 3, b"", 0)
                )
                for _ in range(2):
                    head = plain.recv(8, socket.MSG_WAITALL)
                    plain.recv(struct.unpack(">I", head[4:])[0], socket.MSG_WAITALL)
            with context.wrap_socket(plain) as secured:
                return hashlib.sha256(secured.getpeercert(True)).hexdigest()
    except (OSError, struct.error):
        return ""


def token():
    """Return when the cache's own token ends, or nothing where it has none."""
    path = SECRETS / "token"
    if not path.exists():
        return None
    payload = [*path.read_text().split("."), ""][1]
    with contextlib.suppress(ValueError):
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("exp")
    return 0


def proxy():
    """Return when the VOMS proxy ends, or nothing where there is none."""
    path = SECRETS / "x509_proxy"
    if not path.exists():
        return None
    return certificate(path).get("ends")


def active_since(unit):
    """Return when a unit became active, or nothing where it is not."""
    _, since, _ = run(
        "systemctl", "show", unit, "--property=ActiveEnterTimestamp", "--timestamp=unix", "--value"
    )
    return int(since.lstrip("@")) if since.startswith("@") else None


def receipt():
    """Return what is owed, and the files of ours that somebody else changed since."""
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
    # A restart by hand is what was owed; the receipt learns of it with the next run. As there, a start in the
    # very second of the record counts: the record is made before the change.
    started = active_since(UNIT) or 0
    return [item for item in text.get("owed", []) if item.get("since", 0) > started], drift


def main(arguments):
    """Print what was found."""
    given = dict(word.split("=", 1) for word in arguments)
    status, output, fault = run("xrootd", "-v")
    _, unit, _ = run("systemctl", "show", UNIT, "--property=ActiveState", "--value")
    asked = settings()
    answer = {
        "installed": status == 0,
        "fault": fault if status not in (0, 1) else "",
        "version": (output or fault).lstrip("v") if status == 0 else "",
        "unit": unit,
        "time": int(time.time()),
    }
    if answer["installed"]:
        answer |= {key: asked[key] for key in ("port", "http_port", "tls", "data")}
        answer["owed"], answer["drift"] = receipt()
        answer["watched_since"] = active_since(TIMER)
        answer["watch"] = json.loads(WATCH.read_text()) if WATCH.is_file() else {}
        answer["token_ends"], answer["proxy_ends"] = token(), proxy()
        if asked["tls"]:
            answer["certificate"] = certificate(given["certificate"])
            answer["served"] = {str(asked["port"]): served(asked["port"], True)}
            if asked["http_port"]:
                answer["served"][str(asked["http_port"])] = served(asked["http_port"], False)
    print("casa-install answer 1")
    print(json.dumps({"xcache": answer}))


main(sys.argv[1:])
