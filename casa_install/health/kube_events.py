"""What the cluster last said about an object that is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casa_install.health.kube_api import KubeApi

_LONGEST = 300


def with_event(api: KubeApi, namespace: str, name: str, fault: str, *, kind: str = "Warning") -> str:
    """Return a fault with the last event about the object that has it.

    Args:
        api: The cluster's.
        namespace: Where the object is.
        name: The object's.
        fault: What is wrong; nothing is asked where it is empty.
        kind: `Warning`, or `Normal`, as which the wait for a volume is told.
    """
    if not fault:
        return ""
    query = {"fieldSelector": f"involvedObject.name={name},type={kind}"}
    events = api.get(f"/api/v1/namespaces/{namespace}/events", **query)["items"]
    if not events:
        return fault
    last = max(events, key=lambda item: str(item.get("lastTimestamp") or item.get("eventTime") or ""))
    said = " ".join(str(last.get("message", "")).split())
    said = said if len(said) <= _LONGEST else said[: _LONGEST - 3] + "..."
    return f"{fault} ({last.get('reason', kind)}: {said})"
