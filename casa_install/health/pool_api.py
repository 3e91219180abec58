"""Ask a pool about itself without SSH, through HTCondor's own library and with a token.

The token needs READ only. It is used where it lies: it is not copied, printed or handed on a command line.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from casa_install.errors import CasaError, ExitCode

PORT = 9618
USUAL_TOKENS = Path("~/.condor/tokens.d")
_SECONDS = 60
_CONNECT_SECONDS = 10
_HOW_TO_GET_ONE = (
    "As root on the manager, `condor_token_create -identity NAME@TRUST_DOMAIN -authz READ -lifetime 86400`"
    " makes one; put it into {directory} with mode 0600."
)


class PoolError(CasaError):
    """The pool cannot be asked."""


def ask_pool(address: str, directory: Path | None) -> dict[str, Any]:
    """Return what a pool says of itself: `pool` and `queues`.

    Args:
        address: Host of the central manager, with its port if that is not 9618.
        directory: Where the tokens are; None for `~/.condor/tokens.d`.

    Raises:
        PoolError: HTCondor's library is not there, no token is, the manager cannot be reached, or it refuses.
    """
    tokens = (directory or USUAL_TOKENS).expanduser()
    if importlib.util.find_spec("htcondor2") is None:
        raise PoolError(
            "HTCondor's Python library is not installed, and without it a pool is asked over SSH only.",
            hint="Install the package `htcondor` from PyPI (24 or newer, Linux), or leave --pool away.",
            exit_code=ExitCode.USAGE,
        )
    host, port = _split(address)
    claims = _claims(tokens)
    _require_reachable(host, port)
    return _ask(f"{host}:{port}", tokens, claims)


def _split(address: str) -> tuple[str, int]:
    """Host and port; an IPv6 address is in brackets if a port follows."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+)(?::(\d{1,5}))?", address)
    if found is None or not 0 < int(found.group(2) or PORT) < 65536:
        raise PoolError(
            f"--pool: `{address}` is no host with an optional port.",
            hint="Write it as cm.example.edu or cm.example.edu:9618.",
            exit_code=ExitCode.USAGE,
        )
    return found.group(1), int(found.group(2) or PORT)


def _claims(directory: Path) -> list[dict[str, Any]]:
    """What the tokens in a directory say of themselves; their signatures are not looked at.

    Raises:
        PoolError: There is none that still counts.
    """
    hint = _HOW_TO_GET_ONE.format(directory=directory)
    try:
        texts = [path.read_text() for path in sorted(directory.glob("[!.]*")) if path.is_file()]
    except OSError as fault:
        raise PoolError(
            f"The tokens in {directory} cannot be read: {fault.strerror}.", exit_code=ExitCode.USAGE
        ) from fault
    found = [claims for text in texts for word in text.split() if (claims := _payload(word))]
    if not found:
        raise PoolError(f"There is no token in {directory}.", hint=hint, exit_code=ExitCode.USAGE)
    if all(claims.get("exp") and claims["exp"] < time.time() for claims in found):
        last = max(claims["exp"] for claims in found)
        ended = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(last))
        raise PoolError(f"Every token in {directory} has ended, the last one at {ended}.", hint=hint)
    return found


def _payload(token: str) -> dict[str, Any]:
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _require_reachable(host: str, port: int) -> None:
    try:
        socket.create_connection((host.strip("[]"), port), timeout=_CONNECT_SECONDS).close()
    except OSError as fault:
        raise PoolError(
            f"{host}:{port} cannot be reached: {fault.strerror or fault}.",
            hint="Behind a firewall or a tunnel, leave --pool away: hosts are then asked over SSH.",
            exit_code=ExitCode.UNREACHABLE,
        ) from fault


def _environment(directory: Path) -> dict[str, str]:
    """HTCondor's settings of the process that asks; those of this computer are not read."""
    own = {
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_ENCRYPTION": "REQUIRED",
        "SEC_CLIENT_INTEGRITY": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
        "SEC_TOKEN_DIRECTORY": str(directory),
        # Root's tokens are looked for here, and a key that lies on this computer signs for no one.
        "SEC_TOKEN_SYSTEM_DIRECTORY": str(directory),
        "SEC_PASSWORD_DIRECTORY": os.devnull,
        "SEC_TOKEN_POOL_SIGNING_KEY_FILE": os.devnull,
        "TOOL_DEBUG": "D_SECURITY",
    }
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("_CONDOR_")}
    return kept | {"CONDOR_CONFIG": "ONLY_ENV"} | {f"_condor_{name}": value for name, value in own.items()}


def _ask(address: str, directory: Path, claims: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "casa_install.health.pool_program", address],
            env=_environment(directory),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise PoolError(
            f"The pool at {address} did not answer within {_SECONDS} s.", exit_code=ExitCode.UNREACHABLE
        ) from fault
    if done.returncode:
        raise _refusal(address, directory, claims, done.stderr)
    answer = json.loads(done.stdout)
    for queue in answer["queues"].values():
        if "fault" in queue and (why := _reason(done.stderr)):
            queue["fault"] = why
    return dict(answer)


def _reason(said: str) -> str:
    """What HTCondor's log names as the reason of the last refusal, in its own words."""
    found = re.findall(r"ERROR: (\S+:\d+:.*)|(?:DENIED|PERMISSION DENIED).*", said)
    return str(found[-1]) if found else ""


def _refusal(address: str, directory: Path, claims: list[dict[str, Any]], said: str) -> PoolError:
    domain = re.search(r"server trust domain is ([^\s)]+)\)", said)
    issuers = sorted({str(each.get("iss", "nobody")) for each in claims})
    if domain and domain.group(1) not in issuers:
        return PoolError(
            f"The pool at {address} takes tokens of the trust domain {domain.group(1)};"
            f" those in {directory} are of {', '.join(issuers)}.",
            hint=_HOW_TO_GET_ONE.format(directory=directory),
        )
    subjects = ", ".join(sorted({str(each.get("sub", "nobody")) for each in claims}))
    why = _reason(said)
    return PoolError(
        f"The pool at {address} refuses the token of {subjects}{': ' + why if why else '.'}",
        hint="Its key may be another pool's, it may be revoked, or it has ended."
        f" {_HOW_TO_GET_ONE.format(directory=directory)}",
    )
