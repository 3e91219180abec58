"""Try to read and to write with each token, by ztn and by HTTPS, and without TLS.

Standard input: a JSON object with `host` (the cache), `tokens` (name -> token). Prints one JSON object:
name of a try -> what came of it: `read`, or the error. Runs on another host.
"""

import json
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

FILE = "/store/lab/small.root"
given = json.load(sys.stdin)
host, tokens = given["host"], given["tokens"]
home = pathlib.Path(tempfile.mkdtemp())
found = {}
TRUST = ssl.create_default_context(cafile=os.environ["X509_CERT_FILE"])


def by_ztn(name, token, *words, read=True):
    """Run a client with a token and keep what it said."""
    environment = {**os.environ, "XRD_CONNECTIONRETRY": "1", "XRD_REQUESTTIMEOUT": "20"}
    if token:
        path = home / "token"
        path.touch(mode=0o600)
        path.write_text(token)
        environment["BEARER_TOKEN_FILE"] = str(path)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    found[name] = ("read" if read else "done") if done.returncode == 0 else (said[-1] if said else "?")


def by_https(name, token, path=FILE, method="GET", data=None):
    """Ask by HTTPS with a token and keep the status."""
    headers = {"Authorization": "Bearer " + token} if token else {}
    asked = urllib.request.Request(f"https://{host}:8443{path}", headers=headers, method=method, data=data)
    try:
        with urllib.request.urlopen(asked, timeout=20, context=TRUST) as answer:
            found[name] = "read" if answer.read() else "empty"
    except urllib.error.HTTPError as fault:
        found[name] = str(fault.code)


def in_clear(token):
    """HTTP without TLS on the port of HTTPS."""
    with socket.create_connection((host, 8443), 10) as plain:
        try:
            plain.sendall(
                f"GET {FILE} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            answer = plain.recv(1000)
        except ConnectionResetError:
            answer = b""
    found["http without TLS"] = answer[:12].decode("latin-1") or "connection closed"


def login_in_clear():
    """The XRootD protocol by a client that cannot do TLS: its login, which comes before any token."""
    with socket.create_connection((host, 1094), 10) as plain:
        plain.settimeout(10)
        plain.sendall(
            struct.pack(">5i", 0, 0, 0, 4, 2012)
            + struct.pack(">HHIBB10sI", 1, 3006, 0x520, 0, 0, b"", 0)
            + struct.pack(">HHI8sBBBBI", 2, 3007, 1, b"x", 0, 0, 5, 0, 0)
        )
        answer = b""
        while b"\0\2\x0f\xa3" not in answer or not answer.endswith(b"\0"):
            part = plain.recv(1000)
            if not part:
                break
            answer += part
    found["root without TLS"] = answer[answer.rfind(b"\0\2\x0f\xa3") + 12 :].rstrip(b"\0").decode("latin-1")


url = f"root://{host}/"
for name, token in {"no token": "", **tokens}.items():
    by_ztn(f"{name}: ztn", token, "xrdcp", "-f", url + FILE, str(home / "out"))
    by_https(f"{name}: https", token)
good, write = tokens["good"], tokens["may write"]
for path in ("/private/secret", "/store/../private/secret", "/store/lab/../../private/secret"):
    by_ztn(f"{path}: ztn", good, "xrdcp", "-f", url + path, str(home / "out"))
    by_https(f"{path}: https", good, path)
(home / "mine").write_text("mine\n")
by_ztn("write: ztn", write, "xrdcp", "-f", str(home / "mine"), f"{url}/store/lab/mine")
by_ztn("overwrite: ztn", write, "xrdcp", "-f", str(home / "mine"), url + FILE)
for words in (["rm", FILE], ["mv", FILE, FILE + "2"], ["mkdir", "/store/lab/new"], ["truncate", FILE, "1"]):
    by_ztn(f"{words[0]}: ztn", write, "xrdfs", f"root://{host}", *words, read=False)
by_https("PUT: https", write, "/store/lab/mine", "PUT", b"mine\n")
by_https("DELETE: https", write, FILE, "DELETE")
by_ztn("token in the URL", "", "xrdcp", "-f", f"{url}{FILE}?authz=Bearer%20{good}", str(home / "out"))
by_ztn("token in the URL too", good, "xrdcp", "-f", f"{url}{FILE}?authz=Bearer%20{good}", str(home / "out"))
in_clear(good)
login_in_clear()
print(json.dumps(found))
