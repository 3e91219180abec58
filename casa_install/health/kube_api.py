"""A Kubernetes API as the checks use it: plain objects in and out, with a time limit on everything.

Requests go by path through the client's dynamic layer: the generated classes of one release refuse some
objects of servers that are much older or newer.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from casa_install.health.kube_errors import KubeError, explain, explain_exec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casa_install.health.kube_config import Kubeconfig

    Object = dict[str, Any]

_CONNECT, _READ = 5.0, 20.0
"""Seconds for a connection and for an answer."""
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ran:
    """A command in a pod: its status (None where it did not end in time) and both outputs."""

    status: int | None
    output: str
    error: str


class KubeApi:
    """One cluster's API with the credentials of a kubeconfig; several threads may use it.

    Raises:
        KubeError: From every method, where a request came to nothing.
    """

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        from kubernetes import client, config, dynamic

        self.server = kubeconfig.server
        self._ends = kubeconfig.client_ends
        self._configuration = client.Configuration()
        try:
            config.load_kube_config_from_dict(
                kubeconfig.content, client_configuration=self._configuration, persist_config=False
            )
        except config.ConfigException as error:
            raise KubeError(f"The kubeconfig {kubeconfig.path} cannot be used: {error}") from None
        self._configuration.retries = False
        self._configuration.connection_pool_maxsize = 16
        api = client.ApiClient(self._configuration)
        # Nothing is looked up by kind, so the dynamic layer need not ask what the server has.
        self._requests = dynamic.DynamicClient(api, discoverer=lambda *_: None)

    def get(self, path: str, **query: str) -> Object:
        """Return an object, or all pages of a list as one."""
        found = self._json("get", path, query)
        while token := found.get("metadata", {}).get("continue"):
            page = self._json("get", path, query | {"continue": token})
            found["items"] += page["items"]
            found["metadata"] = page["metadata"]
        return found

    def text(self, path: str) -> str:
        """Return what is no object, such as `/readyz`."""
        return str(self._request("get", path, {}).data.decode("utf-8", "replace"))

    def create(self, path: str, body: Object) -> Object:
        """Create an object below a path."""
        return self._json("post", path, {}, body)

    def patch(self, path: str, body: Object) -> Object:
        """Change an object by a JSON merge patch (RFC 7386)."""
        return self._json("patch", path, {}, body)

    def delete(self, path: str, *, grace: int | None = None) -> bool:
        """Delete an object and what it owns; whether there was one."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self._request("delete", path, {}, body)
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return True

    def wait(
        self, path: str, met: Callable[[list[Object]], bool], seconds: float, **query: str
    ) -> list[Object]:
        """Watch a list until a condition is met or the time is over; return what was seen last."""
        deadline = time.monotonic() + seconds
        while True:
            listed = self.get(path, **query)
            seen = {item["metadata"]["uid"]: item for item in listed["items"]}
            if met(list(seen.values())) or time.monotonic() >= deadline:
                return list(seen.values())
            version = listed["metadata"]["resourceVersion"]
            for kind, item in self._events(path, query, version, deadline - time.monotonic()):
                if kind == "DELETED":
                    seen.pop(item["metadata"]["uid"], None)
                elif kind in ("ADDED", "MODIFIED"):
                    seen[item["metadata"]["uid"]] = item
                if met(list(seen.values())) or time.monotonic() >= deadline:
                    return list(seen.values())

    def run(self, namespace: str, pod: str, command: list[str], seconds: float) -> Ran:
        """Run a command in a pod."""
        import websocket
        from kubernetes import client, stream

        websocket.setdefaulttimeout(_READ)
        # The stream replaces a method of the client while it begins, so each command has a client of its own.
        core = client.CoreV1Api(client.ApiClient(self._configuration))
        try:
            session = stream.stream(
                core.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                command=command,
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
            session.run_forever(timeout=seconds)
            output, complaint, end = (str(session.read_channel(channel)) for channel in (1, 2, 3))
            session.close()
        except Exception as error:
            # The library makes an error of an interrupt, too.
            if isinstance(error.__context__, KeyboardInterrupt | SystemExit):
                raise error.__context__ from None
            raise explain_exec(error, pod) or self._explained(error) from error
        return Ran(_exit_status(end), output, complaint)

    def stranger(self, path: str, token: str = "") -> str:
        """Return how the API answers to somebody without the kubeconfig's credentials: `401` or a reason."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.server.rstrip("/") + path, headers=headers)  # noqa: S310  # https, as the kubeconfig was read
        context = ssl.create_default_context(cafile=self._configuration.ssl_ca_cert)
        handlers = [urllib.request.HTTPSHandler(context=context)]
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=_READ) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return str(error.code)
        except OSError as error:
            return explain(error, self.server).message

    def _events(
        self, path: str, query: dict[str, str], version: str, seconds: float
    ) -> Iterator[tuple[str, Object]]:
        """What happens to a list, until the server or the time ends it."""
        limit = max(1, round(seconds))
        words = query | {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(limit)}
        answer = self._request("get", path, words, read=limit + 2.0)
        try:
            left = b""
            for part in answer.stream(_LARGEST):
                *lines, left = (left + part).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        self._ended(event["object"])
                        return
                    yield event["type"], event["object"]
        except KubeError:
            raise
        except Exception as error:
            raise self._explained(error) from error
        finally:
            answer.close()

    def _ended(self, status: Object) -> None:
        """A watch that ends with 410 began at too old a version: the caller lists anew."""
        if status.get("code") != 410:
            said = status.get("message", "no reason given")
            raise KubeError(f"{self.server} ended a watch: {said}", status=int(status.get("code") or 500))

    def _json(self, method: str, path: str, query: dict[str, str], body: Object | None = None) -> Object:
        answer = self._request(method, path, query, body)
        try:
            return cast("dict[str, Any]", json.loads(answer.data))
        except ValueError:
            raise KubeError(f"{self.server}{path} answers with something that is no JSON.") from None
        except Exception as error:
            raise self._explained(error) from error

    def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Object | None = None,
        *,
        read: float = _READ,
    ) -> Any:
        """One request; the answer is urllib3's, not yet read."""
        try:
            return self._requests.request(
                method,
                path,
                body=body,
                query_params=list(query.items()),
                header_params={},
                content_type="application/merge-patch+json" if method == "patch" else "",
                serialize=False,
                _request_timeout=(_CONNECT, read),
            )
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: BaseException) -> KubeError:
        return explain(error, self.server, client_ended=self._ends is not None and self._ends < time.time())


def _exit_status(said: str) -> int | None:
    """The status of a command from what the kubelet says on the channel for errors."""
    try:
        end = json.loads(said)
        if end["status"] == "Success":
            return 0
        return int(
            next(cause["message"] for cause in end["details"]["causes"] if cause["reason"] == "ExitCode")
        )
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
