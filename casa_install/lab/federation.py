"""What the lab's federation is made of on this computer: a CA, certificates, token issuers and a client.

Everything is made anew for each lab, lies in the lab's own directory with mode 0600, and goes with the lab.
The lab's CA is not the site's: a site meets certificates of authorities that it did not make.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from casa_install.trust.authority import Authority, load_authority, make_authority, private_key_pem
from casa_install.trust.leaf import make_request, sign_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

LIFETIME = timedelta(days=30)
"""A lab lives for hours or days."""

ISSUERS = {"site": 8443, "foreign": 8444}
"""The issuer that a site trusts, one that it does not, and their ports."""

CLIENT = "lab-cache"
SCOPES = ["storage.read:/"]


@dataclass(frozen=True)
class Certificate:
    """A host's certificate and key, PEM."""

    certificate: str
    key: str


class Federation:
    """The federation of one lab.

    Args:
        directory: Where its files are; made when missing.
        domains: The DNS domains of the lab's machines.
    """

    def __init__(self, directory: Path, domains: Iterable[str]) -> None:
        self.directory = directory
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authority = kept_authority(directory, "Casa lab federation CA", domains)

    @property
    def certificate_file(self) -> Path:
        """The CA certificate, PEM."""
        return self.directory / "ca.pem"

    def certificate_for(self, fqdn: str) -> Certificate:
        """A new key and certificate for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = sign_request(
            self.authority,
            make_request(key, [fqdn]),
            names=[fqdn],
            lifetime=LIFETIME,
            now=datetime.now(UTC),
            purposes=("server", "client"),
        )
        return Certificate(signed, private_key_pem(key))

    def issuer_files(self, issuer: str, fqdn: str) -> dict[str, str]:
        """The files of an issuer that runs on a machine: name -> content.

        The same are kept in this directory, so that a test can make tokens on this computer too.

        Args:
            issuer: A key of `ISSUERS`.
            fqdn: The machine's name.
        """
        home = self.directory / issuer
        home.mkdir(mode=0o700, exist_ok=True)
        settings: dict[str, Any] = {
            "issuer": issuer_url(issuer, fqdn),
            "clients": {CLIENT: self.client_secret},
            "scopes": SCOPES,
        }
        write_private(home / "issuer.json", json.dumps(settings, indent=2) + "\n")
        return {
            "issuer.json": json.dumps(settings, indent=2) + "\n",
            "key.pem": self.once(f"{issuer}/key.pem", lambda: private_key_pem(_new_key())),
        }

    @property
    def client_secret(self) -> str:
        """The secret of the client `CLIENT` at the issuers' token endpoints."""
        return self.once("client-secret", lambda: secrets.token_urlsafe(32))

    def variables(self, fqdn: str) -> dict[str, str]:
        """What an inventory needs to know of the federation, whose first origin has this name."""
        return {
            "lab_ca_certificate": self.authority.certificate_pem,
            "lab_ca_certificate_file": str(self.certificate_file),
            "lab_federation_directory": str(self.directory),
            "lab_origin_name": fqdn,
            "lab_issuer_url": issuer_url("site", fqdn),
            "lab_foreign_issuer_url": issuer_url("foreign", fqdn),
            "lab_client_id": CLIENT,
            "lab_client_secret": self.client_secret,
        }

    def once(self, name: str, make: Callable[[], str]) -> str:
        """A file of the federation; made when it is not there."""
        path = self.directory / name
        if not path.exists():
            write_private(path, make())
        return path.read_text(encoding="ascii")


def kept_authority(directory: Path, name: str, domains: Iterable[str]) -> Authority:
    """The authority in a directory, as ``ca.pem`` and ``ca.key``; made when it is not there.

    Args:
        directory: Of the lab alone; made when missing.
        name: Its common name.
        domains: The DNS domains of the lab's machines.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = directory / "ca.pem", directory / "ca.key"
    if certificate.exists() and key.exists():
        return load_authority(certificate.read_text(encoding="ascii"), key.read_text(encoding="ascii"))
    made = make_authority(name, domains=sorted(set(domains)), lifetime=LIFETIME, now=datetime.now(UTC))
    write_private(key, made.key_pem)
    write_private(certificate, made.certificate_pem, mode=0o644)
    return made


def issuer_url(issuer: str, fqdn: str) -> str:
    """The claim ``iss`` of an issuer's tokens, and where its documents are."""
    return f"https://{fqdn}:{ISSUERS[issuer]}"


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all, and never readable by others in between."""
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    partial.rename(path)
