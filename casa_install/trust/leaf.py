"""Certificates of hosts: the request that a host makes, and the answer that the authority gives.

Subject alternative names, authority and subject key identifiers are always there: Python 3.13 verifies with
``VERIFY_X509_STRICT``, which refuses a certificate without them (RFC 5280, 4.2.1).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from casa_install.errors import CasaError
from casa_install.trust.authority import CLOCK_SKEW, Authority, Network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

COMMON_NAME_LENGTH = 64
"""ub-common-name of RFC 5280, appendix A; a longer host name is in the subject alternative names only."""

RENEW_BELOW = 1 / 3
"""A certificate is renewed when less than this part of its life is left."""

PURPOSES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}


def make_request(key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> str:
    """A signing request in PEM form."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(names))
    builder = builder.add_extension(_alternative_names(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def sign_request(
    authority: Authority,
    request_pem: str,
    *,
    names: Sequence[str],
    lifetime: timedelta,
    now: datetime,
    purposes: Sequence[str] = ("server",),
) -> str:
    """A certificate for the key of a request, in PEM form.

    From the request comes the public key and nothing else: what a host asks for does not decide what it gets.

    Args:
        authority: Who signs.
        request_pem: The request, PEM.
        names: DNS names and addresses for the certificate; the first becomes its common name.
        lifetime: How long it is valid; never longer than the authority.
        now: The current time, with a time zone.
        purposes: Keys of `PURPOSES`.

    Raises:
        CasaError: The request is faulty, its key is weak, or the authority may not sign for a name or has
            expired.
    """
    request = _checked_request(request_pem)
    require_valid(authority, now)
    ends = authority.certificate.not_valid_after_utc
    refused = [name for name in names if not may_sign(authority.certificate, name)]
    if refused:
        raise CasaError(
            f"The authority may not sign for {', '.join(refused)}: its name constraints do not allow it.",
            hint="use a name of the site's domains, or make an authority for more domains",
        )
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    subject = _subject(names)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - CLOCK_SKEW, authority.certificate.not_valid_before_utc))
        .not_valid_after(min(now + lifetime, ends))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_leaf_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([PURPOSES[purpose] for purpose in purposes]), critical=False)
        # RFC 5280, 4.2.1.6: critical where the subject is empty.
        .add_extension(_alternative_names(names), critical=not list(subject))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def require_valid(authority: Authority, now: datetime) -> None:
    """Refuse an authority that has expired.

    Raises:
        CasaError: It has.
    """
    ends = authority.certificate.not_valid_after_utc
    if ends <= now:
        raise CasaError(
            f"The CA certificate expired on {ends:%Y-%m-%d}.",
            hint="make a new authority and apply; hosts then get new certificates: casa-install certs ca",
        )


def is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether less than a third of a certificate's life is left."""
    whole = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < whole * RENEW_BELOW


def may_sign(authority: x509.Certificate, name: str) -> bool:
    """Whether an authority's name constraints allow a DNS name or an address (RFC 5280, 4.2.1.10)."""
    try:
        limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    permitted, excluded = limits.permitted_subtrees or [], limits.excluded_subtrees or []
    address = _address(name)
    if address is None:
        allowed = [item.value for item in permitted if isinstance(item, x509.DNSName)]
        closed = [item.value for item in excluded if isinstance(item, x509.DNSName)]
        below = name.removeprefix("*.").lower()
        return (not allowed or any(_is_below(below, domain) for domain in allowed)) and not any(
            _is_below(below, domain) for domain in closed
        )
    networks = [item.value for item in permitted if isinstance(item, x509.IPAddress)]
    barred = [item.value for item in excluded if isinstance(item, x509.IPAddress)]
    inside = not networks or any(_holds(network, address) for network in networks)
    return inside and not any(_holds(network, address) for network in barred)


def _checked_request(pem: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(pem.encode())
    except ValueError as error:
        raise CasaError("The host's signing request cannot be read.") from error
    if not request.is_signature_valid:
        raise CasaError("The host's signing request is not signed by the key that it is about.")
    key = request.public_key()
    strong = (
        (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= 256)
        or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)
        or isinstance(key, ed25519.Ed25519PublicKey)
    )
    if not strong:
        raise CasaError("The host's signing request has a weak key: P-256, Ed25519 or RSA 2048 is the least.")
    return request


def _subject(names: Sequence[str]) -> x509.Name:
    if not names:
        raise CasaError("A certificate needs at least one name.")
    if len(names[0]) > COMMON_NAME_LENGTH:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for name in names:
        address = _address(name)
        found.append(x509.DNSName(name.lower()) if address is None else x509.IPAddress(address))
    return x509.SubjectAlternativeName(found)


def _leaf_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        # Harmless for EC keys, needed by RSA key exchange of older clients.
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_below(name: str, domain: str) -> bool:
    bare = domain.strip(".").lower()
    return name == bare or name.endswith(f".{bare}")


def _holds(network: object, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return isinstance(network, Network) and network.version == address.version and address in network
