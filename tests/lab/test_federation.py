"""The federation that a lab plays: its keys on this computer, and its token issuer."""

from __future__ import annotations

import base64
import importlib.util
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from casa_install.lab import origin_machine
from casa_install.lab.federation import CLIENT, Federation

if TYPE_CHECKING:
    from types import ModuleType

ISSUER = Path(origin_machine.__file__).with_name("origin") / "usr/local/lib/lab-origin/issuer.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lab_issuer", ISSUER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path / "federation", ["example.test"])


@pytest.fixture
def issuer(program: ModuleType, federation: Federation) -> Any:
    federation.issuer_files("site", "origin.example.test")
    return program.Issuer(federation.directory / "site")


def test_keys_and_secrets_are_for_the_owner_alone(federation: Federation) -> None:
    federation.issuer_files("site", "origin.example.test")
    files = [path for path in federation.directory.rglob("*") if path.is_file()]
    open_to_others = [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert {path.name for path in files} == {"ca.key", "ca.pem", "client-secret", "key.pem", "issuer.json"}
    assert open_to_others == ["ca.pem"]
    assert stat.S_IMODE(federation.directory.stat().st_mode) == 0o700


def test_a_second_up_keeps_everything(federation: Federation) -> None:
    first = federation.issuer_files("site", "o.example.test"), federation.variables("o.example.test")
    again = Federation(federation.directory, ["example.test"])
    assert (again.issuer_files("site", "o.example.test"), again.variables("o.example.test")) == first


def test_the_foreign_issuer_has_other_keys(federation: Federation) -> None:
    keys = [federation.issuer_files(name, "o.example.test")["key.pem"] for name in ("site", "foreign")]
    assert keys[0] != keys[1]


def test_the_origins_certificate_has_what_strict_verifiers_want(federation: Federation) -> None:
    pair = federation.certificate_for("origin.example.test")
    found = x509.load_pem_x509_certificate(pair.certificate.encode()).extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["origin.example.test"]
    assert found.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert found.get_extension_for_class(x509.SubjectKeyIdentifier)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    def decode(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    header, body, signature = token.split(".")
    signed = f"{header}.{body}".encode()
    return json.loads(decode(header)), json.loads(decode(body)), signed, decode(signature)


def verify(issuer: Any, token: str) -> dict[str, Any]:
    header, body, signed, signature = parts(token)
    numbers = {key: int.from_bytes(parts_of(issuer.public_jwk[key]), "big") for key in "xy"}
    key = ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], ec.SECP256R1()).public_key()
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    assert header["kid"] == issuer.public_jwk["kid"]
    return body


def parts_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_tokens_verify_with_the_published_key_only(program: ModuleType, issuer: Any, tmp_path: Path) -> None:
    token = issuer.mint(subject="u", audience="a", scope="storage.read:/", lifetime=60)
    body = verify(issuer, token)
    assert (body["iss"], body["aud"], body["exp"] - body["iat"]) == (
        "https://origin.example.test:8443",
        "a",
        60,
    )
    other = Federation(tmp_path / "other", ["example.test"])
    other.issuer_files("site", "origin.example.test")
    stranger = program.Issuer(other.directory / "site")
    with pytest.raises(InvalidSignature):
        verify(stranger, token)


def test_an_expired_token_was_valid_once(issuer: Any) -> None:
    body = verify(issuer, issuer.mint(subject="u", audience="a", scope="", lifetime=-10))
    assert body["nbf"] < body["exp"] < body["exp"] + 10


@pytest.mark.parametrize(
    ("changes", "authorization", "status", "error"),
    [
        ({}, "", 200, None),
        ({"client_secret": "wrong"}, "", 401, "invalid_client"),
        ({"client_secret": ""}, "", 401, "invalid_client"),
        ({"client_id": "nobody"}, "", 401, "invalid_client"),
        ({}, "Basic !!", 401, "invalid_client"),
        ({"grant_type": "password"}, "", 400, "unsupported_grant_type"),
        ({"scope": "storage.modify:/"}, "", 400, "invalid_scope"),
    ],
)
def test_token_endpoint(
    issuer: Any,
    federation: Federation,
    changes: dict[str, str],
    authorization: str,
    status: int,
    error: str | None,
) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": federation.client_secret,
        **changes,
    }
    answered, body = issuer.answer(form, authorization)
    assert (answered, body.get("error")) == (status, error)
    if error is None:
        assert verify(issuer, body["access_token"])["scope"] == "storage.read:/"
    else:
        assert "access_token" not in body


def test_token_endpoint_takes_a_header(issuer: Any, federation: Federation) -> None:
    header = base64.b64encode(f"{CLIENT}:{federation.client_secret}".encode()).decode()
    assert issuer.answer({"grant_type": "client_credentials"}, f"Basic {header}")[0] == 200
