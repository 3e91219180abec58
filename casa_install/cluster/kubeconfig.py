"""The admin kubeconfig of a cluster on the admin's computer.

A kubeconfig of k3s leads to 127.0.0.1, and calls cluster, user and context `default`. What is kept here
leads to the API's address, and its names are the site's, so that whoever wants can merge it with others
(https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from casa_install.errors import CasaError


def rewritten(text: str, server: str, name: str) -> str:
    """Return a kubeconfig of k3s with another address and other names.

    Args:
        text: What k3s wrote.
        server: URL of the API as it is reached from here.
        name: The site's name; what is no letter, digit, dot or hyphen becomes a hyphen.

    Raises:
        CasaError: The text is no kubeconfig with one cluster and one user.
    """
    try:
        found: dict[str, Any] = yaml.safe_load(text)
        (cluster,), (user,) = found["clusters"], found["users"]
        authority = cluster["cluster"]["certificate-authority-data"]
        credentials = {key: user["user"][key] for key in ("client-certificate-data", "client-key-data")}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise CasaError(
            "what the server has as /etc/rancher/k3s/k3s.yaml is no kubeconfig of k3s",
            hint="k3s writes it anew at its next start if it is missing",
        ) from error
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") or "casa"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": plain, "cluster": {"certificate-authority-data": authority, "server": server}}],
        "users": [{"name": f"{plain}-admin", "user": credentials}],
        "contexts": [{"name": plain, "context": {"cluster": plain, "user": f"{plain}-admin"}}],
        "current-context": plain,
    }
    return yaml.safe_dump(content, sort_keys=False)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, at once or not at all.

    Raises:
        CasaError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CasaError(f"{path} cannot be written: {error.strerror}") from error


def authority_digest(path: str | Path) -> str:
    """Return the SHA-256 of the cluster's CA file as k3s puts it into tokens; empty without a kubeconfig.

    Source: https://docs.k3s.io/cli/token, "K10<CA-HASH>::<USERNAME>:<PASSWORD>".
    """
    return _digest(path, "clusters", "cluster", "certificate-authority-data", decode=True)


def client_digest(path: str | Path, server: str = "") -> str:
    """Return the SHA-256 of the admin's certificate as it stands in the file; empty without a kubeconfig.

    A server writes its own kubeconfig with a new certificate when the old one nears its end.

    Args:
        path: The kubeconfig on this computer.
        server: Where it has to lead to; a file that leads elsewhere counts as none.
    """
    if server and _value(path, "clusters", "cluster", "server") != server:
        return ""
    return _digest(path, "users", "user", "client-certificate-data", decode=False)


def _digest(path: str | Path, kind: str, part: str, key: str, *, decode: bool) -> str:
    value = _value(path, kind, part, key)
    try:
        data = base64.b64decode(value, validate=True) if decode else value.encode("ascii")
    except (UnicodeError, ValueError):
        return ""
    return hashlib.sha256(data).hexdigest() if value else ""


def _value(path: str | Path, kind: str, part: str, key: str) -> str:
    try:
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))[kind][0][part][key]
    except (OSError, UnicodeError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def main(arguments: list[str]) -> int:
    """Take a fetched kubeconfig over: SOURCE, gone then, DESTINATION, the API's URL, the site's name."""
    source, destination = Path(arguments[0]), Path(arguments[1])
    try:
        write_private(destination, rewritten(source.read_text(encoding="utf-8"), arguments[2], arguments[3]))
    except CasaError as error:
        sys.stderr.write(f"Error: {error}\n{f'Hint: {error.hint}' if error.hint else ''}\n")
        return 1
    finally:
        source.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
