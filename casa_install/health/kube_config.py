"""The administrator's kubeconfig that the role k3s leaves on the machine of the run."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casa_install.engine.rundir import state_home
from casa_install.errors import CasaError, ExitCode


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One that was read.

    Attributes:
        path: Where it is.
        server: URL of the API.
        content: The file as a mapping, with credentials: never shown.
        client_ends: When its client certificate ends, in seconds since 1970; None where it has none inside.
    """

    path: Path
    server: str
    content: dict[str, Any]
    client_ends: float | None

    def __repr__(self) -> str:
        """Without what it holds."""
        return f"Kubeconfig({str(self.path)!r}, {self.server!r})"


def kubeconfig_path(site_name: str, chosen: str = "") -> Path:
    """Return where the role puts the file, by default `$XDG_STATE_HOME/casa-install/k3s/SITE/kubeconfig`.

    Args:
        site_name: The site's.
        chosen: Another path that the site names (`k3s_kubeconfig`).
    """
    if chosen:
        return Path(chosen).expanduser()
    # As the default of k3s_kubeconfig.
    site = re.sub(r"[^A-Za-z0-9._-]", "_", site_name)
    return state_home() / "k3s" / site / "kubeconfig"


def read_kubeconfig(path: Path) -> Kubeconfig | None:
    """Read the file; None where there is none.

    Whoever has it administers the cluster, so it is refused where somebody else may have read or put it.

    Raises:
        CasaError: It is a link, no file, somebody else's or open to others, or it is no kubeconfig.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refused(path, "is a link", "Put the file itself there.") from error
        raise _refused(path, f"cannot be read: {error.strerror}", "") from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise _refused(path, "is no file", "Put the file itself there.")
    with os.fdopen(handle, encoding="utf-8", errors="replace") as stream:
        if found.st_uid != os.getuid():
            raise _refused(path, f"belongs to uid {found.st_uid}, not to you", "Copy it as yourself.")
        if found.st_mode & 0o077:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            hint = f"Others may have it already. `chmod 600 '{path}'`, and `k3s certificate rotate` if so."
            raise _refused(path, f"has the mode {mode}, so others can use it", hint)
        text = stream.read()
    return _read(path, text)


def _refused(path: Path, why: str, hint: str) -> CasaError:
    return CasaError(f"The kubeconfig {path} {why}.", hint=hint, exit_code=ExitCode.USAGE)


def _read(path: Path, text: str) -> Kubeconfig:
    import yaml

    try:
        content = yaml.safe_load(text)
        context = _named(content, "contexts", content["current-context"])["context"]
        cluster = _named(content, "clusters", context["cluster"])["cluster"]
        user = _named(content, "users", context["user"])["user"]
        server = str(cluster["server"])
        ends = _client_ends(user)
    # The text of a YAML error shows the line, which may hold a key.
    except (yaml.YAMLError, KeyError, TypeError, ValueError, StopIteration):
        hint = "`casa-install apply` of the k3s hosts writes it anew."
        raise _refused(path, "is no kubeconfig", hint) from None
    if not server.startswith("https://"):
        raise _refused(path, f"names {server}, which is not https", "The API is reached by TLS only.")
    return Kubeconfig(path, server, content, ends)


def _named(content: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in content[kind] if each["name"] == name)
    return found


def _client_ends(user: dict[str, Any]) -> float | None:
    from cryptography import x509

    if "client-certificate-data" not in user:
        return None
    try:
        pem = base64.b64decode(user["client-certificate-data"], validate=True)
    except binascii.Error as error:
        raise ValueError from error
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
