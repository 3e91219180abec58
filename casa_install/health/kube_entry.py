"""The TCP entry point by which Dask schedulers in a cluster are reached from outside."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casa_install.health.kube_tries import Tried

SECONDS = 5.0


def try_entry_point(tried: Tried, port: int) -> dict[str, str] | None:
    """Return where it was tried -> why it does not answer there, from here; None where the site has none.

    Args:
        tried: What the API shows.
        port: The one that a server tells Traefik to have; 0 for none.
    """
    if not port:
        return None
    if not tried.entry_points:
        return {}
    if port not in tried.entry_points:
        ports = ", ".join(map(str, tried.entry_points))
        return {"the Service traefik": f"it has no port {port}, but {ports}"}
    if not tried.entry_pods:
        # Nothing is tried then: such a Service may lead on to whoever has its address elsewhere.
        return {"the Service traefik": "no pod of Traefik is ready behind it"}
    # Without a load balancer that says where it is, the ports are those of the servers.
    servers = [node.addresses[0] for node in tried.nodes if node.is_server and node.addresses]
    return {f"{address}:{port}": _connect(address, port) for address in tried.entry_addresses or servers}


def _connect(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), SECONDS).close()
    except TimeoutError:
        return f"no answer within {SECONDS:.0f} s"
    except OSError as error:
        return error.strerror or str(error)
    return ""
