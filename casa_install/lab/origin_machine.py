"""Makes a machine of the group ``lab_origin`` the lab's federation: data, token issuers, OpenID provider.

It is made here and by no role, so that roles meet what a real site meets: a server that somebody else runs.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.lab.federation import ISSUERS
from casa_install.lab.image import cache_directory
from casa_install.lab.root_files import write_root_files

if TYPE_CHECKING:
    from casa_install.lab.federation import Federation
    from casa_install.lab.image import Reporter
    from casa_install.lab.login import Login
    from casa_install.lab.podman import Podman

FILES = Path(__file__).with_name("origin")
READY = "/etc/lab-issuer/ready"
SETTINGS = "/usr/local/lib/lab-origin/login-settings.sh"
SCITOKENS = """\
[Global]
audience = https://wlcg.cern.ch/jwt/v1/any

[Issuer lab]
issuer = {issuer}
base_path = /
"""

SERVING = """
for port in 1094 1095 8443 8444 8445; do
    until (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null; do sleep 0.2; done
done
"""


def ensure_origin(
    podman: Podman, container: str, fqdn: str, federation: Federation, login: Login, *, report: Reporter
) -> None:
    """Set an origin up, once; only the provider's settings follow the inventory afterwards.

    Args:
        podman: How to reach podman.
        container: The machine's container.
        fqdn: Its name, for which its certificate is.
        federation: The lab's keys and certificates.
        login: The lab's OpenID provider.
        report: Told what takes long.

    Raises:
        CasaError: A step on the machine failed.
    """
    if podman.run("exec", container, "test", "-e", READY, check=False).returncode == 0:
        podman.run("exec", "-i", container, "sh", SETTINGS, stdin=login.files(fqdn)["login.json"])
        return
    report(f"{fqdn}: becoming the lab's data server and token issuer")
    with tempfile.TemporaryDirectory(dir=cache_directory(), prefix=".origin-") as work:
        tree = Path(work)
        write_tree(tree, fqdn, federation, login)
        podman.run("cp", f"{tree}/.", f"{container}:/")
    podman.run("exec", container, "sh", "/usr/local/lib/lab-origin/setup.sh", timeout=300)
    podman.run("exec", container, "timeout", "60", "bash", "-c", SERVING)


def write_tree(tree: Path, fqdn: str, federation: Federation, login: Login) -> None:
    """Everything that the origin gets, as it lies on the machine below ``/``."""
    shutil.copytree(FILES, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    for name in ISSUERS:
        _write(tree / "etc/lab-issuer" / name, federation.issuer_files(name, fqdn))
    _write(tree / "etc/lab-issuer/login", login.files(fqdn))
    pair = federation.certificate_for(fqdn)
    files = {"cert.pem": pair.certificate, "key.pem": pair.key}
    _write(tree / "etc/lab-issuer/tls", files)
    issuer = federation.variables(fqdn)["lab_issuer_url"]
    files["ca.pem"] = federation.authority.certificate_pem
    files["scitokens.cfg"] = SCITOKENS.format(issuer=issuer)
    _write(tree / "etc/xrootd/lab", files)
    store = tree / "srv/origin/store/lab"
    store.mkdir(parents=True)
    write_root_files(store)


def _write(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(parents=True)
    for name, text in files.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")
