"""A token issuer of the lab: OpenID configuration, keys and client credentials, over HTTPS.

Runs on the origin with the distribution's Python and python3-cryptography; imports nothing of casa-install.

    issuer.py serve DIRECTORY
    issuer.py mint DIRECTORY [options]

The directory holds ``key.pem`` (EC P-256) and ``issuer.json``: ``issuer`` (its URL), ``clients`` (identifier
-> secret), ``scopes`` that a client may ask for and the default ``audience``.
Sources: RFC 6749 (section 4.4, client credentials), RFC 7517 (JWK), RFC 7518 (ES256), WLCG token profile 1.0.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import secrets
import ssl
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
LIFETIME = 3600
"""Seconds that a token of the token endpoint is valid."""

LONGEST_BODY = 65536


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One issuer: its key and what it knows about clients.

    Args:
        directory: Where its files are.
    """

    def __init__(self, directory: Path) -> None:
        settings = json.loads((directory / "issuer.json").read_text(encoding="utf-8"))
        self.url: str = settings["issuer"]
        self.clients: dict[str, str] = settings["clients"]
        self.scopes: list[str] = settings["scopes"]
        self.audience: str = settings.get("audience", ANY_AUDIENCE)
        key = serialization.load_pem_private_key((directory / "key.pem").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SystemExit(f"{directory}/key.pem is no EC key")
        self.key = key

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key, named by its thumbprint (RFC 7638)."""
        numbers = self.key.public_key().public_numbers()
        jwk = {
            "crv": "P-256",
            "kty": "EC",
            "x": encode(numbers.x.to_bytes(32, "big")),
            "y": encode(numbers.y.to_bytes(32, "big")),
        }
        digest = hashes.Hash(hashes.SHA256())
        digest.update(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode())
        return {**jwk, "kid": encode(digest.finalize()), "use": "sig", "alg": "ES256"}

    def mint(
        self, *, subject: str, audience: str, scope: str, lifetime: int, claims: dict[str, Any] | None = None
    ) -> str:
        """A signed token.

        Args:
            subject: Claim ``sub``.
            audience: Claim ``aud``.
            scope: Claim ``scope``, words with blanks between.
            lifetime: Seconds from now; negative for one that has expired.
            claims: More claims, over these.
        """
        now = int(time.time())
        body = {
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "scope": scope,
            "iat": min(now, now + lifetime - 1),
            "nbf": min(now, now + lifetime - 1),
            "exp": now + lifetime,
            "jti": secrets.token_hex(16),
            "wlcg.ver": "1.0",
            **(claims or {}),
        }
        header = {"alg": "ES256", "typ": "JWT", "kid": self.public_jwk["kid"]}
        signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(body).encode())}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def answer(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """What the token endpoint says: an HTTP status and its JSON (RFC 6749, sections 4.4 and 5.2)."""
        name, secret = credentials(form, authorization)
        known = self.clients.get(name)
        if known is None or not hmac.compare_digest(known.encode(), secret.encode()):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        scope = form.get("scope") or " ".join(self.scopes)
        if not set(scope.split()) <= set(self.scopes):
            return 400, {"error": "invalid_scope"}
        token = self.mint(
            subject=name, audience=form.get("audience", self.audience), scope=scope, lifetime=LIFETIME
        )
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": scope}


def credentials(form: dict[str, str], authorization: str) -> tuple[str, str]:
    """Client and secret from the header or the form (RFC 6749, section 2.3.1)."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)


class Handler(BaseHTTPRequestHandler):
    """HTTP face of an issuer."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    issuer: Issuer

    def do_GET(self) -> None:
        """The two documents that a verifier reads."""
        url = self.issuer.url
        documents: dict[str, dict[str, Any]] = {
            "/.well-known/openid-configuration": {
                "issuer": url,
                "jwks_uri": f"{url}/jwks",
                "token_endpoint": f"{url}/token",
                "grant_types_supported": ["client_credentials"],
                "scopes_supported": self.issuer.scopes,
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            },
            "/jwks": {"keys": [self.issuer.public_jwk]},
        }
        found = documents.get(self.path)
        self._send(200 if found else 404, found or {"error": "not_found"})

    def do_POST(self) -> None:
        """The token endpoint."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/token" or not 0 <= length <= LONGEST_BODY:
            self.close_connection = True
            self._send(404, {"error": "not_found"})
            return
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode("utf-8", "replace")))
        self._send(*self.issuer.answer(form, self.headers.get("Authorization") or ""))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Shakes hands in the thread of the connection, so that a silent client holds up nobody."""

    daemon_threads = True
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """TLS first, then HTTP."""
        request.settimeout(Handler.timeout)
        try:
            with self.context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError as error:
            sys.stderr.write(f"{client_address[0]}: {error.__class__.__name__}\n")


def serve(directory: Path) -> None:
    """Answer until stopped."""
    issuer = Issuer(directory)
    port = urllib.parse.urlsplit(issuer.url).port or 443
    server = Server(("", port), type("Bound", (Handler,), {"issuer": issuer}))
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(directory.parent / "tls/cert.pem", directory.parent / "tls/key.pem")
    server.serve_forever()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="A token issuer of the lab")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve").add_argument("directory", type=Path)
    mint = commands.add_parser("mint")
    mint.add_argument("directory", type=Path)
    mint.add_argument("--subject", default="lab-user")
    mint.add_argument("--audience", default=ANY_AUDIENCE)
    mint.add_argument("--scope", default="storage.read:/")
    mint.add_argument("--lifetime", type=int, default=LIFETIME, help="seconds; negative: expired")
    mint.add_argument("--claims", type=json.loads, default={}, help="more claims as JSON, over all others")
    given = parser.parse_args()
    if given.command == "serve":
        serve(given.directory)
        return
    print(
        Issuer(given.directory).mint(
            subject=given.subject,
            audience=given.audience,
            scope=given.scope,
            lifetime=given.lifetime,
            claims=given.claims,
        )
    )


if __name__ == "__main__":
    main()
