"""Opening a cluster's API from the admin's computer, through whichever of its servers answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from casa_install.health.kube_api import KubeApi
    from casa_install.health.kube_config import Kubeconfig


def open_cluster(kubeconfig: Path, *, servers: Iterable[str] = (), avoid: Iterable[str] = ()) -> KubeApi:
    """Return the cluster's API through the first address that answers.

    Args:
        kubeconfig: The admin's, whose credentials all servers of the cluster take.
        servers: Further addresses, as `host` or `host:port`; the kubeconfig's own comes first.
        avoid: Names and addresses of a server that is not to be used, because it leaves.

    Raises:
        CasaError: There is no kubeconfig, others can read it, or no address answers: the first one's reason.
    """
    from casa_install.health.kube_api import KubeApi
    from casa_install.health.kube_config import read_kubeconfig

    found = read_kubeconfig(kubeconfig)
    if found is None:
        raise CasaError(
            f"There is no kubeconfig {kubeconfig} on this computer, so the cluster cannot be asked.",
            hint="An apply of the group k3s_server brings it.",
            exit_code=ExitCode.USAGE,
        )
    urls = dict.fromkeys([found.server, *(with_host(found.server, server) for server in servers)])
    reasons: list[CasaError] = []
    for url in urls:
        if urlsplit(url).hostname in set(avoid):
            continue
        api = KubeApi(_leading_to(found, url))
        try:
            api.text("/readyz")
        except CasaError as error:
            # An answer other than yes is one of the cluster, which another server would give as well.
            if error.exit_code is not ExitCode.UNREACHABLE and getattr(error, "status", 0) < 500:
                raise
            reasons.append(error)
            continue
        return api
    if not reasons:
        raise CasaError(
            f"The only server known is the one that is not to be used: {found.server}.",
            hint="Put the cluster's other servers into the group k3s_server.",
            exit_code=ExitCode.UNREACHABLE,
        )
    raise CasaError(
        f"No server of the cluster answers: {'; '.join(error.message for error in reasons)}",
        hint=reasons[0].hint,
        exit_code=ExitCode.UNREACHABLE,
    )


def with_host(url: str, server: str) -> str:
    """Return a URL of the API with another server's host, and its port where it names one."""
    parts = urlsplit(url)
    host, colon, port = server.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host, port = server, str(parts.port or 443)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def words_around(
    servers: Sequence[str], names: Sequence[str], reached: Sequence[str], port: int | str, leaving: str
) -> list[str]:
    """Return the options of our programs that lead to a cluster's servers without one host.

    Args:
        servers: The servers' names in the inventory.
        names: Their full names, as their certificates have them.
        reached: Where Ansible reaches each; empty where that is its name.
        port: The API's.
        leaving: The host's name in the inventory, in any case.
    """
    words = []
    for server, *addresses in zip(servers, names, reached, strict=True):
        known = list(dict.fromkeys(filter(None, addresses)))
        if server.lower() == leaving.lower():
            words += [f"--avoid={address}" for address in dict.fromkeys([server, *known])]
        else:
            words += [f"--server={f'[{one}]' if ':' in one else one}:{port}" for one in known]
    return words


def _leading_to(kubeconfig: Kubeconfig, url: str) -> Kubeconfig:
    """The same credentials and authority for another server of the same cluster."""
    content: dict[str, Any] = dict(kubeconfig.content)
    content["clusters"] = [
        {**entry, "cluster": {**entry["cluster"], "server": url}} for entry in content["clusters"]
    ]
    return replace(kubeconfig, server=url, content=content)
