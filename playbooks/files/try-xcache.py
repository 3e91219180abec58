"""Try on a host what its cache lets one do and what it refuses. Runs as root; leaves nothing behind.

Arguments: name=NAME, the cache's own full name. Prints one JSON object: try -> what came of it, for
`casa_install.health.xcache_checks` to judge. The forged token is signed with a key that is made here and
thrown away.
"""

import base64
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

SECONDS = 30
CONFIG = pathlib.Path("/etc/xrootd/xrootd-casa.cfg")
ISSUERS = pathlib.Path("/etc/xrootd/casa-scitokens.cfg")
KEY = pathlib.Path("/run/xcache-auth/probe.keytab")
WATCH = pathlib.Path("/var/lib/casa-xcache/watch.json")


def run(*words, **environment):
    """Return `done`, or what the command said last."""
    try:
        done = subprocess.run(
            words,
            env={**os.environ, "XRD_CONNECTIONRETRY": "1", "XRD_REQUESTTIMEOUT": str(SECONDS), **environment},
            capture_output=True,
            timeout=SECONDS * 2,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as fault:
        return str(fault)
    if done.returncode == 0:
        return "done"
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return said[-1] if said else "ended with " + str(done.returncode)


def encoded(part):
    """Return a part of a JWT (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forged(directory, issuer, audience):
    """Return a token in the name of an issuer, signed with a key that is not its own (ES256)."""
    key = directory / "key.pem"
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)], check=True
    )
    now = int(time.time())
    claims = {
        "iss": issuer,
        "sub": "casa-verify",
        "aud": audience,
        "scope": "storage.read:/",
        "wlcg.ver": "1.0",
    }
    claims |= {"iat": now, "nbf": now, "exp": now + 60, "jti": "casa-verify"}
    head = {"alg": "ES256", "typ": "JWT", "kid": "casa-verify"}
    text = encoded(json.dumps(head).encode()) + "." + encoded(json.dumps(claims).encode())
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(key)],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    # From DER's two integers to their plain 32 bytes each.
    der, numbers, place = done.stdout, [], 2
    for _ in range(2):
        length = der[place + 1]
        numbers.append(int.from_bytes(der[place + 2 : place + 2 + length], "big").to_bytes(32, "big"))
        place += 2 + length
    return text + "." + encoded(b"".join(numbers))


def login_in_clear(port):
    """The XRootD protocol by a client that cannot do TLS: what the server says to its login."""
    try:
        with socket.create_connection(("localhost", port), SECONDS) as plain:
            plain.settimeout(SECONDS)
            plain.sendall(
                struct.pack(">5i", 0, 0, 0, 4, 2012)
                + struct.pack(">HHIBB10sI", 1, 3006, 0x520, 0, 0, b"", 0)
                + struct.pack(">HHI8sBBBBI", 2, 3007, 1, b"x", 0, 0, 5, 0, 0)
            )
            for _ in range(3):
                head = plain.recv(8, socket.MSG_WAITALL)
                status, length = struct.unpack(">HI", head[2:])
                body = plain.recv(length, socket.MSG_WAITALL)
            return "done" if status == 0 else body[4:].rstrip(b"\0").decode("utf-8", "replace")
    except (OSError, struct.error) as fault:
        return "connection closed: " + str(fault)


def http_in_clear(port):
    """HTTP without TLS on the port of HTTPS."""
    try:
        with socket.create_connection(("localhost", port), SECONDS) as plain:
            plain.settimeout(SECONDS)
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n")
            return plain.recv(12).decode("latin-1") or "connection closed"
    except OSError as fault:
        return "connection closed: " + str(fault)


def main(arguments):
    """Print what was found."""
    given = dict(word.split("=", 1) for word in arguments)
    text = CONFIG.read_text()
    port = re.search(r"^xrd\.port (\d+)", text, re.MULTILINE)[1]
    export = re.search(r"^all\.export (\S+)", text, re.MULTILINE)[1]
    url = "root://" + given["name"] + ":" + port
    found = {"watch": run("systemctl", "start", "casa-xcache-watch.service")}
    watched = json.loads(WATCH.read_text()) if WATCH.is_file() else {}
    found["probe"] = watched.get("probe", {})
    path = found["probe"].get("path") or export.rstrip("/") + "/casa-verify"
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        base = {"BEARER_TOKEN": "", "BEARER_TOKEN_FILE": "/dev/null", "X509_CERT_FILE": given["ca"]}
        keyed = {**base, "XrdSecPROTOCOL": "sss", "XrdSecSSSKT": str(KEY)} if KEY.exists() else base
        found["authorised"] = KEY.exists()
        target = export.rstrip("/") + "/casa-verify-" + str(os.getpid())
        found["write"] = run("xrdfs", url, "mkdir", target, **keyed)
        found["outside"] = run("xrdfs", url, "cat", "/etc/passwd", **keyed)
        found["above"] = run("xrdfs", url, "cat", export.rstrip("/") + "/../etc/passwd", **keyed)
        if found["authorised"]:
            found["nothing"] = run("xrdfs", url, "cat", path, **base, XrdSecPROTOCOL="ztn")
            found["login_in_clear"] = login_in_clear(int(port))
        if ISSUERS.is_file():
            settings = ISSUERS.read_text()
            issuer = re.search(r"^issuer = (\S+)", settings, re.MULTILINE)[1]
            audience = re.search(r"^audience = ([^,\s]+)", settings, re.MULTILINE)[1]
            token = directory / "token"
            token.touch(mode=0o600)
            token.write_text(forged(directory, issuer, audience))
            found["forged"] = run(
                "xrdfs",
                url,
                "cat",
                path,
                **{**base, "BEARER_TOKEN_FILE": str(token), "XrdSecPROTOCOL": "ztn"},
            )
            http = re.search(r"^xrd\.protocol (?:tls )?http:(\d+)", text, re.MULTILINE)
            if http:
                found["http_in_clear"] = http_in_clear(int(http[1]))
    print("casa-install answer 1")
    print(json.dumps({"xcache_tried": found}))


main(sys.argv[1:])
