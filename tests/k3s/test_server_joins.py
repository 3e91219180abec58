"""How a server gets to its cluster: it founds it, or joins the one that is there; it never makes a second."""

from __future__ import annotations

import hashlib
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[[str, dict[str, Any]], dict[str, Any]]

AUTHORITY = b"the cluster's authority\n"
NOBODY = "127.0.0.1:9"


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/cacerts" else 401)
        self.end_headers()
        self.wfile.write(AUTHORITY)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Something that shows an authority as a k3s server does; its address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "k3s")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    http = HTTPServer(("127.0.0.1", 0), _Server)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    return {
        "file": str(tmp_path / "k3s" / "join.env"),
        "data": str(tmp_path / "data"),
        "first": True,
        "embedded": True,
        "known": False,
        "authority": "",
        "others": [],
    }


def written(order: dict[str, Any], tmp_path: Path) -> list[str]:
    path = tmp_path / "k3s" / "join.env"
    assert str(path) == order["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text().splitlines()[1:]


def test_the_first_server_founds_the_cluster(run_program: Run, order: dict[str, Any], tmp_path: Path) -> None:
    assert run_program("join.py", order | {"others": [NOBODY]}) == {"changed": True, "refused": ""}
    assert written(order, tmp_path) == ["K3S_CLUSTER_INIT=true"]


def test_a_cluster_without_etcd_is_founded_without_saying_so(
    run_program: Run, order: dict[str, Any], tmp_path: Path
) -> None:
    run_program("join.py", order | {"embedded": False})
    assert written(order, tmp_path) == [""]


def test_it_is_settled_once(run_program: Run, order: dict[str, Any], server: str, tmp_path: Path) -> None:
    run_program("join.py", order)
    assert run_program("join.py", order | {"first": False, "others": [server]})["changed"] is False
    assert written(order, tmp_path) == ["K3S_CLUSTER_INIT=true"]


@pytest.mark.parametrize("place", ["server/db/etcd/member", "server/db/state.db"])
def test_a_server_with_data_is_left_alone(
    place: str, run_program: Run, order: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "data" / place).mkdir(parents=True)
    assert run_program("join.py", order)["changed"] is False
    assert not (tmp_path / "k3s").exists()


@pytest.mark.parametrize("first", [True, False])
def test_where_a_server_answers_it_joins_and_founds_nothing(
    first: bool, run_program: Run, order: dict[str, Any], server: str, tmp_path: Path
) -> None:
    """The first host of the group, installed anew, must not found a second cluster."""
    known = hashlib.sha256(AUTHORITY).hexdigest()
    asked = order | {"first": first, "others": [NOBODY, server], "known": True, "authority": known}
    assert run_program("join.py", asked) == {"changed": True, "refused": ""}
    assert written(order, tmp_path) == [f"K3S_URL=https://{server}"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"first": True, "known": True}, "would be a second one"),
        ({"first": False}, "nothing to join"),
    ],
)
def test_where_nobody_answers_nothing_is_made(
    asked: dict[str, Any], reason: str, run_program: Run, order: dict[str, Any], tmp_path: Path
) -> None:
    answer = run_program("join.py", order | asked | {"others": [NOBODY]})
    assert reason in answer["refused"]
    assert NOBODY in answer["refused"]
    assert "Fix:" in answer["refused"]
    assert not (tmp_path / "k3s").exists()


def test_a_server_of_another_cluster_is_not_joined(
    run_program: Run, order: dict[str, Any], server: str, tmp_path: Path
) -> None:
    answer = run_program("join.py", order | {"others": [server], "known": True, "authority": "0" * 64})
    assert "another cluster" in answer["refused"]
    assert not (tmp_path / "k3s").exists()
