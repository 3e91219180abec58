"""ID tokens of the lab's provider: signed with RS256, which every client understands."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from issuer import encode

if TYPE_CHECKING:
    from pathlib import Path


def decode(text: str) -> bytes:
    """Base64url without padding.

    Raises:
        ValueError: It is something else.
    """
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Signer:
    """Signs tokens, and knows its own again.

    Args:
        file: An RSA key, PEM.
    """

    def __init__(self, file: Path) -> None:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise SystemExit(f"{file} is no RSA key")
        self._key = key

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key, named by its thumbprint (RFC 7638)."""
        numbers = self._key.public_key().public_numbers()
        jwk = {
            "e": encode(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")),
            "kty": "RSA",
            "n": encode(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        }
        digest = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
        return {**jwk, "kid": encode(digest), "use": "sig", "alg": "RS256"}

    def sign(self, body: dict[str, Any]) -> str:
        """A JWT with these claims."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.public_jwk["kid"]}
        signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(body).encode())}"
        return f"{signed}.{encode(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def read(self, token: str) -> dict[str, Any]:
        """The claims of one of our tokens, also of one that has expired; none when it is not ours."""
        signed, _, signature = token.rpartition(".")
        try:
            raw = decode(signature)
            self._key.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return {}
        return dict(json.loads(decode(signed.partition(".")[2])))
