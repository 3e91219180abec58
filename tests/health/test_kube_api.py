"""What goes wrong between here and an API is said in words; real clusters are proved elsewhere."""

from __future__ import annotations

import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from kube_server import Certificate, KubeServer, kubeconfig, make_certificate, running

from casa_install.errors import ExitCode
from casa_install.health import kube_api
from casa_install.health.kube_api import KubeApi, _exit_status
from casa_install.health.kube_config import read_kubeconfig
from casa_install.health.kube_errors import KubeError, explain_exec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PODS = "/api/v1/namespaces/x/pods"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return make_certificate("authority")


@pytest.fixture
def server(authority: Certificate, tmp_path: Path) -> Iterator[KubeServer]:
    with running(KubeServer(), make_certificate("server", signer=authority), tmp_path) as server:
        yield server


def _api(server: str, authority: Certificate, directory: Path, *, client_days: float = 10) -> KubeApi:
    path = directory / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(kubeconfig(server, authority, make_certificate("admin", days=client_days)))
    found = read_kubeconfig(path)
    assert found is not None
    return KubeApi(found)


@pytest.fixture
def api(server: KubeServer, authority: Certificate, tmp_path: Path) -> KubeApi:
    return _api(server.url, authority, tmp_path)


def _said(api: KubeApi) -> KubeError:
    with pytest.raises(KubeError) as error:
        api.get("/version")
    return error.value


def _pod(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": version}}


def _listed(*pods: dict[str, Any], version: str = "7") -> tuple[int, Any]:
    return 200, {"metadata": {"resourceVersion": version}, "items": list(pods)}


def test_objects_are_read_and_made(server: KubeServer, api: KubeApi) -> None:
    server.answers["GET /version"] = 200, {"gitVersion": "v1.21.3+k3s1"}
    server.answers[f"POST {PODS}"] = 201, {"kind": "Pod"}
    assert api.get("/version") == {"gitVersion": "v1.21.3+k3s1"}
    assert api.create(PODS, {"kind": "Pod", "metadata": {"name": "p"}}) == {"kind": "Pod"}
    assert server.asked[-1] == ("POST", PODS, {"kind": "Pod", "metadata": {"name": "p"}})


def test_all_pages_of_a_list_are_read(server: KubeServer, api: KubeApi) -> None:
    server.answers[f"GET {PODS}"] = 200, {"metadata": {"continue": "more"}, "items": [_pod("a", "1")]}
    server.answers[f"GET {PODS}?continue=more"] = _listed(_pod("b", "2"))
    assert [item["metadata"]["name"] for item in api.get(PODS)["items"]] == ["a", "b"]


def test_deleting_says_whether_there_was_something(server: KubeServer, api: KubeApi) -> None:
    server.answers[f"DELETE {PODS}/p"] = 200, {}
    assert api.delete(f"{PODS}/p", grace=1) is True
    assert server.asked[-1][2]["gracePeriodSeconds"] == 1
    assert api.delete(f"{PODS}/other") is False


def test_credentials_of_another_cluster(server: KubeServer, api: KubeApi) -> None:
    server.answers["GET /version"] = 401, {"message": "Unauthorized"}
    error = _said(api)
    assert "does not take the credentials of the kubeconfig (401)" in error.message
    assert "apply" in error.hint
    assert (error.status, error.exit_code) == (401, ExitCode.FAILED)


def test_a_client_certificate_that_has_ended(
    server: KubeServer, authority: Certificate, tmp_path: Path
) -> None:
    server.answers["GET /version"] = 401, {"message": "Unauthorized"}
    error = _said(_api(server.url, authority, tmp_path, client_days=-1))
    assert error.message == "The client certificate of the kubeconfig has ended."


def test_what_is_forbidden_is_said(server: KubeServer, api: KubeApi) -> None:
    server.answers["GET /version"] = 403, {"message": 'User "x" cannot get path "/version"'}
    assert 'forbids it (403): User "x" cannot get path' in _said(api).message


def test_a_server_in_trouble(server: KubeServer, api: KubeApi) -> None:
    server.answers["GET /version"] = 503, "apiserver not ready"
    assert "answers 503" in _said(api).message


def test_something_that_is_no_api(server: KubeServer, api: KubeApi) -> None:
    server.answers["GET /version"] = 200, "<html>welcome</html>"
    assert "something that is no JSON" in _said(api).message


def test_another_authority(server: KubeServer, tmp_path: Path) -> None:
    error = _said(_api(server.url, make_certificate("authority"), tmp_path))
    assert "is not of the kubeconfig's authority" in error.message
    assert error.exit_code == ExitCode.UNREACHABLE
    assert server.asked == []


def test_a_server_certificate_that_has_ended(authority: Certificate, tmp_path: Path) -> None:
    old = make_certificate("server", days=-1, signer=authority)
    with running(KubeServer(), old, tmp_path) as server:
        error = _said(_api(server.url, authority, tmp_path))
    assert f"The certificate of {server.url} has ended." in error.message
    assert "restart the k3s servers" in error.hint


def test_a_server_certificate_for_other_names(authority: Certificate, tmp_path: Path) -> None:
    other = make_certificate("server", address="192.0.2.1", signer=authority)
    with running(KubeServer(), other, tmp_path) as server:
        error = _said(_api(server.url, authority, tmp_path))
    assert "is for other names" in error.message
    assert "k3s_tls_sans" in error.hint


def test_nothing_listens(authority: Certificate, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = _said(_api(f"https://127.0.0.1:{port}", authority, tmp_path))
    assert "nothing listens on the port" in error.message
    assert "firewall" in error.hint


def test_an_unknown_name(authority: Certificate, tmp_path: Path) -> None:
    assert "its name is unknown here" in _said(_api("https://s1.invalid:6443", authority, tmp_path)).message


def test_a_slow_server(server: KubeServer, api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_api, "_READ", 0.2)
    monkeypatch.setattr(KubeApi._request, "__kwdefaults__", {"read": 0.2})
    server.delay = 1
    before = time.monotonic()
    assert "did not answer in time" in _said(api).message
    assert time.monotonic() - before < 0.9


def test_a_port_that_speaks_no_tls(authority: Certificate, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        api = _api(f"https://127.0.0.1:{plain.getsockname()[1]}", authority, tmp_path)
        import threading

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n" * 20)

        thread = threading.Thread(target=answer)
        thread.start()
        error = _said(api)
        thread.join()
    assert "does not speak TLS" in error.message


def test_a_wait_ends_with_the_event_that_meets_it(server: KubeServer, api: KubeApi) -> None:
    server.answers[f"GET {PODS}"] = _listed(_pod("a", "5"))
    watch = f"GET {PODS}?watch=true&resourceVersion=7&timeoutSeconds=5"
    server.answers[watch] = 200, [{"type": "ADDED", "object": _pod("b", "8")}]
    seen = api.wait(PODS, lambda pods: len(pods) == 2, 5)
    assert {pod["metadata"]["name"] for pod in seen} == {"a", "b"}


def test_a_wait_sees_what_goes(server: KubeServer, api: KubeApi) -> None:
    server.answers[f"GET {PODS}"] = _listed(_pod("a", "5"))
    watch = f"GET {PODS}?watch=true&resourceVersion=7&timeoutSeconds=5"
    server.answers[watch] = 200, [{"type": "DELETED", "object": _pod("a", "9")}]
    assert api.wait(PODS, lambda pods: not pods, 5) == []


def test_a_wait_that_is_too_old_lists_anew(server: KubeServer, api: KubeApi) -> None:
    lists = iter([_listed(), _listed(_pod("a", "9"), version="9")])
    server.answers[f"GET {PODS}"] = lambda: next(lists)
    watch = f"GET {PODS}?watch=true&resourceVersion=7&timeoutSeconds=5"
    server.answers[watch] = 200, [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]
    assert len(api.wait(PODS, lambda pods: bool(pods), 5)) == 1


def test_a_wait_that_is_refused_says_so(server: KubeServer, api: KubeApi) -> None:
    server.answers[f"GET {PODS}"] = _listed()
    watch = f"GET {PODS}?watch=true&resourceVersion=7&timeoutSeconds=5"
    server.answers[watch] = 200, [{"type": "ERROR", "object": {"code": 500, "message": "etcd is away"}}]
    with pytest.raises(KubeError, match="ended a watch: etcd is away"):
        api.wait(PODS, lambda pods: bool(pods), 5)


def test_a_wait_in_vain_returns_what_was_seen(server: KubeServer, api: KubeApi) -> None:
    server.answers[f"GET {PODS}"] = _listed(_pod("a", "5"))
    assert len(api.wait(PODS, lambda _: False, 0)) == 1


def test_a_stranger_brings_no_credentials(server: KubeServer, api: KubeApi) -> None:
    server.answers["GET /api/v1/nodes"] = 401, {}
    assert api.stranger("/api/v1/nodes") == "401"
    assert api.stranger("/api/v1/nodes", "made-up") == "401"
    assert server.authorizations[-2:] == ["", "Bearer made-up"]
    server.answers["GET /api/v1/nodes"] = 200, {}
    assert api.stranger("/api/v1/nodes") == "200"


def test_a_stranger_is_not_sent_to_somebody_else(server: KubeServer, tmp_path: Path) -> None:
    other = _api(server.url, make_certificate("authority"), tmp_path)
    assert "authority" in other.stranger("/api/v1/nodes", "made-up")
    assert server.asked == []


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ('{"status": "Success"}', 0),
        (
            json.dumps(
                {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}
            ),
            3,
        ),
        ('{"status": "Failure", "message": "container not found"}', None),
        ("", None),
    ],
)
def test_how_a_command_ended(said: str, status: int | None) -> None:
    assert _exit_status(said) == status


def test_a_command_that_could_not_begin() -> None:
    text = (
        "Handshake status 500 Internal Server Error -+-+- {'content-type': 'application/json'} -+-+- "
        'b\'{"kind":"Status","message":"error dialing backend: dial tcp 10.0.0.2:10250: i/o timeout"}\''
    )
    error = Exception()
    error.reason = text  # type: ignore[attr-defined]
    found = explain_exec(error, "proof-1")
    assert found is not None
    assert "proof-1: error dialing backend: dial tcp 10.0.0.2:10250: i/o timeout" in found.message
    assert explain_exec(ssl.SSLError("no"), "proof-1") is None
