"""Certificates of a site's own authority: what they hold, who accepts them, and what is refused."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from casa_install.errors import CasaError
from casa_install.trust.authority import Authority, load_authority, make_authority, private_key_pem
from casa_install.trust.leaf import is_due, make_request, may_sign, sign_request

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
NAME = "cache.example.test"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("Example CA", domains=["example.test"], lifetime=100 * DAY, now=NOW)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def sign(authority: Authority, key: ec.EllipticCurvePrivateKey, *names: str, days: int = 30) -> str:
    return sign_request(
        authority, make_request(key, names), names=names, lifetime=days * DAY, now=NOW, purposes=["server"]
    )


def forge(authority: Authority, key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """A certificate as a thief of the CA key would sign it: without a look at the constraints."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    signed = builder.sign(authority.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def handshake(tmp_path: Path, authority: Authority, certificate: str, key_pem: str, name: str) -> str:
    """The client's error, or an empty string: one TLS connection over loopback with Python 3.13's flags."""
    (tmp_path / "chain.pem").write_text(certificate + key_pem, encoding="ascii")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "chain.pem")
    asking = ssl.create_default_context(cadata=authority.certificate_pem)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with serving.wrap_socket(theirs, server_side=True) as connection:
                connection.recv(1)
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with asking.wrap_socket(ours, server_hostname=name) as connection:
            connection.send(b"x")
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        ours.close()
        thread.join(10)
    return ""


def openssl_verify(tmp_path: Path, authority: Authority, certificate: str, *options: str) -> str:
    (tmp_path / "ca.pem").write_text(authority.certificate_pem, encoding="ascii")
    (tmp_path / "leaf.pem").write_text(certificate, encoding="ascii")
    argv = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", *options]
    done = subprocess.run(
        [*argv, "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "leaf.pem")],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def test_the_authority_signs_for_hosts_of_its_domains_only(authority: Authority) -> None:
    found = authority.certificate.extensions
    basic = found.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    limits = found.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert limits.value.permitted_subtrees == [x509.DNSName("example.test")]
    assert len(limits.value.excluded_subtrees or []) == 2
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)


def test_strict_verifiers_accept_it(
    tmp_path: Path, authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    certificate = sign(authority, key, NAME, "xcache.example.test")
    assert openssl_verify(tmp_path, authority, certificate, "-verify_hostname", NAME) == ""
    assert handshake(tmp_path, authority, certificate, private_key_pem(key), NAME) == ""
    assert handshake(tmp_path, authority, certificate, private_key_pem(key), "xcache.example.test") == ""
    refused = handshake(tmp_path, authority, certificate, private_key_pem(key), "other.example.test")
    assert "Hostname mismatch" in refused


def test_a_certificate_outside_the_constraints_is_refused_by_verifiers(
    tmp_path: Path, authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    inside, outside = forge(authority, key, NAME), forge(authority, key, "cache.example.com")
    assert openssl_verify(tmp_path, authority, inside) == ""
    assert "permitted subtree violation" in openssl_verify(tmp_path, authority, outside)
    assert handshake(tmp_path, authority, inside, private_key_pem(key), NAME) == ""
    refused = handshake(tmp_path, authority, outside, private_key_pem(key), "cache.example.com")
    assert "permitted subtree violation" in refused


def test_an_expired_certificate_is_refused_by_verifiers(
    tmp_path: Path, authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    certificate = sign_request(
        authority,
        make_request(key, [NAME]),
        names=[NAME],
        lifetime=DAY,
        now=NOW,
    )
    later = str(int((NOW + 2 * DAY).timestamp()))
    assert openssl_verify(tmp_path, authority, certificate) == ""
    assert "expired" in openssl_verify(tmp_path, authority, certificate, "-attime", later)


@pytest.mark.parametrize(
    "name", ["cache.example.com", "badexample.test", "test", "192.0.2.1", "*.example.com"]
)
def test_signing_outside_the_constraints_is_refused(
    authority: Authority, key: ec.EllipticCurvePrivateKey, name: str
) -> None:
    with pytest.raises(CasaError, match="may not sign for") as refused:
        sign(authority, key, NAME, name)
    assert name in refused.value.message
    assert NAME not in refused.value.message


def test_networks_allow_their_addresses_only() -> None:
    made = make_authority("CA", domains=["a.test"], networks=["192.0.2.0/24"], lifetime=DAY, now=NOW)
    assert may_sign(made.certificate, "192.0.2.7")
    assert not may_sign(made.certificate, "198.51.100.1")
    assert not may_sign(made.certificate, "2001:db8::1")
    assert may_sign(made.certificate, "A.test")


def test_what_a_host_asks_for_does_not_decide(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    request = make_request(key, ["evil.example.test", "cm.example.test"])
    signed = sign_request(authority, request, names=[NAME], lifetime=DAY, now=NOW)
    certificate = x509.load_pem_x509_certificate(signed.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    assert certificate.public_key() == key.public_key()


def test_a_weak_key_is_refused(authority: Authority) -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the weak one
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(weak, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CasaError, match="weak key"):
        sign_request(authority, request, names=[NAME], lifetime=DAY, now=NOW)


@pytest.mark.parametrize("request_pem", ["", "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END"])
def test_a_faulty_request_is_refused(authority: Authority, request_pem: str) -> None:
    with pytest.raises(CasaError, match="cannot be read"):
        sign_request(authority, request_pem, names=[NAME], lifetime=DAY, now=NOW)


def test_an_expired_authority_signs_nothing(key: ec.EllipticCurvePrivateKey) -> None:
    old = make_authority("CA", domains=["example.test"], lifetime=DAY, now=NOW - 3 * DAY)
    with pytest.raises(CasaError, match="expired on"):
        sign(old, key, NAME)


def test_no_certificate_outlives_its_authority(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    signed = x509.load_pem_x509_certificate(sign(authority, key, NAME, days=1000).encode())
    assert signed.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_due_when_less_than_a_third_is_left(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    certificate = x509.load_pem_x509_certificate(sign(authority, key, NAME, days=30).encode())
    assert not is_due(certificate, NOW + 19 * DAY)
    assert is_due(certificate, NOW + 20 * DAY)
    assert is_due(certificate, NOW + 60 * DAY)


def test_an_authority_is_read_back(authority: Authority) -> None:
    again = load_authority(authority.certificate_pem, authority.key_pem)
    assert again.certificate == authority.certificate
    assert authority.key_pem not in repr(again)


def test_a_key_of_another_authority_is_refused(authority: Authority) -> None:
    other = make_authority("Other", domains=["example.test"], lifetime=DAY, now=NOW)
    with pytest.raises(CasaError, match="does not belong to the CA certificate"):
        load_authority(authority.certificate_pem, other.key_pem)


def test_a_hosts_certificate_is_no_authority(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(CasaError, match="no certificate of an authority"):
        load_authority(sign(authority, key, NAME), private_key_pem(key))


def test_a_broken_key_is_refused_without_a_word_of_it(authority: Authority) -> None:
    with pytest.raises(CasaError, match="The CA key is no private key") as refused:
        load_authority(authority.certificate_pem, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END")
    assert "c2VjcmV0" not in refused.value.message


def test_long_names_are_alternative_names_only(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    name = f"{'a' * 60}.example.test"
    certificate = x509.load_pem_x509_certificate(sign(authority, key, name).encode())
    assert list(certificate.subject) == []
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
