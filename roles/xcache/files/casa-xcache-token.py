#!/usr/bin/python3
"""Fetch a token with client credentials (RFC 6749, section 4.4) and keep it fresh for XRootD.

Runs as root, who alone can read the client's secret, under the system's own Python (3.9 or newer) with its
standard library only. Neither the secret nor a token is ever printed.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SECONDS = 30


def times(token: str) -> tuple[float, float]:
    """When a token was issued and when it ends, in seconds since 1970; zeros for one that does not say."""
    try:
        payload = token.split(".")[1]
        says = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(says.get("iat") or says.get("nbf") or 0), float(says["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return 0.0, 0.0


def is_fresh(path: Path, now: float) -> bool:
    """Whether the token there has more than half of its life left."""
    try:
        issued, ends = times(path.read_text(encoding="ascii").strip())
    except OSError:
        return False
    return ends - now > max(60.0, (ends - issued) / 2)


def fetch(options: argparse.Namespace, secret: str) -> str:
    """Ask the issuer for a token."""
    fields = {"grant_type": "client_credentials", "scope": options.scope}
    if options.audience:
        fields["audience"] = options.audience
    login = urllib.parse.quote(options.client_id, safe="") + ":" + urllib.parse.quote(secret, safe="")
    request = urllib.request.Request(  # noqa: S310  # the preflight requires https
        options.endpoint,
        data=urllib.parse.urlencode(fields).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
            "Accept": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=options.ca or None)
    with urllib.request.urlopen(request, timeout=SECONDS, context=context) as answer:  # noqa: S310
        token = str(json.load(answer)["access_token"])
    if times(token)[1] <= time.time():
        raise ValueError("the issuer gave a token that has no end or has ended")
    return token


def write(path: Path, token: str, owner: str) -> None:
    """Replace the token in one step, readable by its owner only."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        if owner:
            shutil.chown(beside, owner, owner)
        stream.write(token + "\n")
    beside.replace(path)


def main() -> int:
    """Return the process status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--endpoint", required=True, help="token endpoint of the issuer")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--scope", required=True)
    parser.add_argument("--audience", default="")
    parser.add_argument("--ca", default="", help="certificates to trust, instead of the system's")
    parser.add_argument("--secret", type=Path, required=True, help="file with the client's secret")
    parser.add_argument("--token", type=Path, required=True, help="file to write")
    parser.add_argument("--owner", default="", help="account that reads it")
    options = parser.parse_args()
    if is_fresh(options.token, time.time()):
        return 0
    try:
        secret = options.secret.read_text(encoding="utf-8").strip()
        token = fetch(options, secret)
        write(options.token, token, options.owner)
    except urllib.error.HTTPError as fault:
        # Its body may repeat what was sent.
        print(f"{options.endpoint} refuses the client {options.client_id}: {fault.code}", file=sys.stderr)
        return 1
    except (OSError, KeyError, ValueError) as fault:
        print(f"no token from {options.endpoint}: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
