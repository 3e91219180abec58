"""A certificate authority: made, read back, and refused where it could not do its work.

The profile is RFC 5280's for a root that signs end entities only: critical basicConstraints with pathlen 0,
critical keyUsage, critical nameConstraints. OpenSSL, Go and Python's ``ssl`` apply the constraints of a trust
anchor, so a stolen key signs for the site's own names and for nothing else.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOCK_SKEW = timedelta(hours=1)
"""How far in the past a validity starts: hosts whose clock is behind must accept a new certificate."""

EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Authority:
    """A CA certificate with its private key, which appears in no ``repr``."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> str:
        """The certificate, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key, PKCS #8 PEM without a password: whoever keeps it encrypts it."""
        return private_key_pem(self.key)


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as PKCS #8 PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def make_authority(
    name: str,
    *,
    domains: Sequence[str],
    lifetime: timedelta,
    now: datetime,
    networks: Sequence[str] = (),
) -> Authority:
    """A new CA with a new P-256 key.

    Args:
        name: Its common name, as people will see it.
        domains: DNS names it may sign for, each with all names below it (RFC 5280, 4.2.1.10).
        lifetime: How long it is valid.
        now: The current time, with a time zone.
        networks: Addresses it may sign for, as CIDR networks; none at all without any.

    Raises:
        CasaError: There is no domain, or a network cannot be read.
    """
    if not domains:
        raise CasaError("A certificate authority needs at least one domain that it may sign for.")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_ca_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .add_extension(_constraints(domains, networks), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def load_authority(certificate_pem: str, key_pem: str) -> Authority:
    """Read a CA back.

    Raises:
        CasaError: One of them cannot be read, they do not belong together, or the certificate is no CA's.
    """
    certificate = load_certificate(certificate_pem, "the CA certificate")
    key = load_private_key(key_pem, "the CA key")
    if key.public_key() != certificate.public_key():
        raise CasaError(
            "The CA key does not belong to the CA certificate.",
            hint="Give the key that the certificate was made with, or make both anew.",
        )
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        raise CasaError("The CA certificate is no certificate of an authority: it may not sign others.")
    return Authority(certificate, key)


def load_certificate(pem: str, what: str) -> x509.Certificate:
    """One certificate from PEM.

    Args:
        pem: The text; what follows the first certificate is ignored.
        what: What it is, for the message.

    Raises:
        CasaError: It cannot be read.
    """
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise CasaError(f"{what[:1].upper()}{what[1:]} is no certificate in PEM form.") from error


def load_private_key(pem: str, what: str) -> ec.EllipticCurvePrivateKey:
    """An elliptic-curve private key from PEM without a password.

    Raises:
        CasaError: It cannot be read, or it is of another kind. The message never holds any of the key.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CasaError(
            f"{what[:1].upper()}{what[1:]} is no private key in PEM form without a password."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CasaError(f"{what[:1].upper()}{what[1:]} is no elliptic-curve key.")
    return key


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(domains: Sequence[str], networks: Sequence[str]) -> x509.NameConstraints:
    """Names of a kind that no subtree mentions would be free: addresses are always mentioned."""
    try:
        allowed: list[Network] = [ipaddress.ip_network(network) for network in networks]
    except ValueError as error:
        raise CasaError(f"A network of the certificate authority cannot be read: {error}.") from error
    permitted: list[x509.GeneralName] = [x509.DNSName(domain.strip(".").lower()) for domain in domains]
    permitted += [x509.IPAddress(network) for network in allowed]
    closed = [network for network in EVERY_ADDRESS if network.version not in {n.version for n in allowed}]
    excluded = [x509.IPAddress(network) for network in closed]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded or None)
