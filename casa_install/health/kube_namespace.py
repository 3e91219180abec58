"""A namespace of a run's own: all it makes is in there, and goes with it whatever happens."""

from __future__ import annotations

import secrets
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from casa_install.health import kube_objects
from casa_install.health.kube_errors import KubeError
from casa_install.health.kube_events import with_event
from casa_install.health.kube_reading import image_missing, pod_fault, pod_ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from casa_install.health.kube_api import KubeApi, Ran

    Object = dict[str, Any]

GONE_SECONDS = 30
"""How long a namespace with our pods may take to go."""
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Space:
    """The namespace.

    Attributes:
        api: The cluster's.
        name: `casa-verify-...`, unlike any other run's.
        left: Why it could not be removed; empty while it is in use, and where it has gone.
        ending: Whether nobody needs it any more: what waits for pods in other threads stops then.
    """

    api: KubeApi
    name: str
    left: str = ""
    ending: bool = False

    def path(self, kind: str, group: str = "") -> str:
        """Return the path of a kind of object, such as `pods`, or of `networkpolicies` of a group."""
        base = f"/apis/{group}/v1" if group else "/api/v1"
        return f"{base}/namespaces/{self.name}/{kind}"

    def create(self, kind: str, body: Object, group: str = "") -> Object:
        """Make an object."""
        return self.api.create(self.path(kind, group), body)

    def pod(self, name: str, seconds: float) -> str:
        """Wait until a pod is ready; return why it is not in that time, or an empty text."""

        def met(pods: list[Object]) -> bool:
            return self.ending or any(pod_ready(pod) or image_missing(pod) for pod in pods)

        pods = self.api.wait(self.path("pods"), met, seconds, fieldSelector=f"metadata.name={name}")
        return self.why(name, pod_fault(pods[0])) if pods else f"the pod {name} has gone"

    def why(self, name: str, fault: str, *, kind: str = "Warning") -> str:
        """Return a fault with the last event about the object that has it."""
        return with_event(self.api, self.name, name, fault, kind=kind)

    @contextmanager
    def until_ending(self) -> Iterator[None]:
        """Remove the pods at once where the work ends early, so that threads which use them end as well."""
        try:
            yield
        except BaseException:
            self.ending = True
            self.api.delete(f"/api/v1/namespaces/{self.name}")
            raise

    def run(self, pod: str, script: str, *words: str, seconds: float) -> Ran:
        """Run a shell script with arguments in a pod."""
        return self.api.run(self.name, pod, ["sh", "-c", script, "sh", *words], seconds)


@contextmanager
def own_namespace(api: KubeApi) -> Iterator[Space]:
    """Yield a new namespace that pods can be made in, and remove it at the end.

    What an earlier run left that was killed is removed first. While it is there, SIGTERM and SIGHUP end the
    work as an interrupt does.

    Raises:
        KubeError: It cannot be made.
    """
    _sweep(api)
    space = Space(api, kube_objects.PREFIX + secrets.token_hex(4))
    with _ended_in_order():
        try:
            api.create("/api/v1/namespaces", kube_objects.namespace(space.name))
            # Pods are refused until the namespace has its account, which a controller makes.
            accounts = api.wait(space.path("serviceaccounts"), _has_default, 15)
            if not _has_default(accounts):
                raise KubeError(
                    f"The namespace {space.name} got no service account within 15 s.",
                    hint="The controller manager does not work: `journalctl -u k3s` on the servers.",
                    status=500,
                )
            yield space
        finally:
            space.left = _remove(space)


def _has_default(accounts: list[Object]) -> bool:
    return any(item["metadata"]["name"] == "default" for item in accounts)


def _sweep(api: KubeApi) -> None:
    """Remove what killed runs left; a namespace that another run may still use is left alone."""
    for item in api.get("/api/v1/namespaces", labelSelector=kube_objects.LABEL)["items"]:
        made = datetime.fromisoformat(item["metadata"]["creationTimestamp"]).timestamp()
        name, going = item["metadata"]["name"], item["metadata"].get("deletionTimestamp")
        if name.startswith(kube_objects.PREFIX) and not going and time.time() - made > kube_objects.LIFETIME:
            api.delete(f"/api/v1/namespaces/{name}")


def _remove(space: Space) -> str:
    """Remove the namespace; return what is wrong where it does not go."""
    api, path = space.api, f"/api/v1/namespaces/{space.name}"
    query = {"fieldSelector": f"metadata.name={space.name}"}
    try:
        # One that still holds pods and claims is looked at again only after 8 s, and after 8 s more.
        api.delete(space.path("daemonsets", "apps"))
        api.delete(space.path("pods"))
        api.delete(space.path("persistentvolumeclaims"))
        for kind in ("pods", "persistentvolumeclaims"):
            api.wait(space.path(kind), _none, GONE_SECONDS / 2)
        api.delete(path)
        left = api.wait("/api/v1/namespaces", _none, GONE_SECONDS, **query)
    except KubeError as error:
        return f"the namespace {space.name}: {error.text}"
    if not left:
        return ""
    conditions = left[0].get("status", {}).get("conditions") or []
    said = [each["message"] for each in conditions if each.get("status") == "True" and each.get("message")]
    why = "; ".join(said) or "no reason given"
    return f"the namespace {space.name} is still there after {GONE_SECONDS} s: {why}"


def _none(seen: list[Object]) -> bool:
    return not seen


@contextmanager
def _ended_in_order() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
