"""A server on loopback that answers as parts of a Kubernetes API do, for what goes wrong on the way there."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Answer = tuple[int, Any]
"""HTTP status and an object; a list is a watch's events, one a line."""


@dataclass
class KubeServer:
    """What it answers, and what it was asked.

    Attributes:
        answers: Method and path with its query -> answer; a callable is called.
        asked: Method, path, and the body's object.
        authorizations: The header of each request.
        delay: Seconds before each answer.
        url: Its own.
    """

    answers: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    delay: float = 0
    url: str = ""


@dataclass(frozen=True)
class Certificate:
    pem: bytes
    key: bytes


def make_certificate(
    name: str, *, days: float = 10, address: str = "127.0.0.1", signer: Certificate | None = None
) -> Certificate:
    """Make one that is its own authority, or of another one's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing = subject, key
    if signer is not None:
        issuer = x509.load_pem_x509_certificate(signer.pem).subject
        loaded = serialization.load_pem_private_key(signer.key, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signing = loaded
    ends = datetime.now(UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=20))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def kubeconfig(server: str, authority: Certificate, client: Certificate) -> str:
    """Return one as k3s writes it."""

    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "default",
            "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
            "clusters": [
                {
                    "name": "default",
                    "cluster": {"server": server, "certificate-authority-data": encoded(authority.pem)},
                }
            ],
            "users": [
                {
                    "name": "default",
                    "user": {
                        "client-certificate-data": encoded(client.pem),
                        "client-key-data": encoded(client.key),
                    },
                }
            ],
        }
    )


@contextmanager
def running(server: KubeServer, certificate: Certificate, directory: Path) -> Iterator[KubeServer]:
    """Let it listen on a free port of loopback, by TLS."""
    pem = directory / "server.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(certificate.pem + certificate.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    server.url = f"https://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def _handler(server: KubeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            server.asked.append((self.command, self.path, body))
            server.authorizations.append(self.headers.get("Authorization", ""))
            time.sleep(server.delay)
            found = server.answers.get(f"{self.command} {self.path}")
            if found is None:
                found = server.answers.get(f"{self.command} {self.path.partition('?')[0]}", (404, {}))
            status, said = found() if callable(found) else found
            lines = said if isinstance(said, list) else [said]
            text = said if isinstance(said, str) else "\n".join(map(json.dumps, lines)) + "\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            # Who does not wait for a slow answer has gone.
            with suppress(OSError):
                self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # names of http.server

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
