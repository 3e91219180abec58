"""A site's k3s cluster tried and judged, from what its hosts answered and from its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError
from casa_install.health.kube_api import KubeApi
from casa_install.health.kube_checks import CHECKS
from casa_install.health.kube_config import kubeconfig_path, read_kubeconfig
from casa_install.health.kube_entry import try_entry_point
from casa_install.health.kube_judge import Wanted, judge_cluster, judge_hosts
from casa_install.health.kube_tries import Tried, try_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casa_install.health.checks import Result


def verify_cluster(answers: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, str]) -> list[Result]:
    """Try the cluster, and judge that and what its hosts tried, check by check.

    Args:
        answers: Host -> the objects that its programs printed.
        kinds: Host -> `server` or `agent`, as the inventory has it.
    """
    said = {host: answers[host]["k3s"] for host in kinds if "k3s" in answers.get(host, {})}
    wanted = [_wanted(host, kind, said.get(host)) for host, kind in kinds.items()]
    order = {check.name: number for number, check in enumerate(CHECKS)}
    results = [*_by_api(said, wanted), *judge_hosts({host: answers.get(host, {}) for host in kinds})]
    return sorted(results, key=lambda result: (order[result.check.name], result.host))


def _by_api(said: Mapping[str, Mapping[str, Any]], wanted: list[Wanted]) -> Iterator[Result]:
    if not said:
        yield from judge_cluster(None, wanted, unasked="no k3s host could be asked what the inventory says")
        return
    first = next(iter(said.values()))
    site = first["wanted"]
    path = kubeconfig_path(site["site_name"], site["kubeconfig"])
    try:
        kubeconfig = read_kubeconfig(path)
        if kubeconfig is None:
            why = f"there is no {path}: apply the playbook from here, or copy one there with mode 0600"
            yield from judge_cluster(None, wanted, unasked=why)
            return
        api = KubeApi(kubeconfig)
    except CasaError as error:
        yield from judge_cluster(Tried(fault=f"{error.message} {error.hint}".strip()), wanted)
        return
    names = [each.node for each in wanted]
    tried = try_cluster(api, site["proof_image"], names)
    policies = all(each["policies"] for each in said.values() if each["kind"] == "server")
    dask = try_entry_point(tried, max((each.get("dask_port", 0) for each in said.values()), default=0))
    yield from judge_cluster(tried, wanted, policies=policies, dask=dask)


def _wanted(host: str, kind: str, said: Mapping[str, Any] | None) -> Wanted:
    """What a node must be; one whose host could not be asked is known by its name in the inventory."""
    if said is None:
        return Wanted(host, host, kind == "server")
    version = said["wanted"]["version"] or said.get("version", "")
    return Wanted(host, said["node"], kind == "server", etcd=bool(said.get("etcd")), version=version)
