"""How what was found in a cluster is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from casa_install.health import kube_checks
from casa_install.health.checks import Result, Verdict
from casa_install.health.kube_judge import Wanted, judge_cluster, judge_hosts
from casa_install.health.kube_network import Answers, Denied
from casa_install.health.kube_reading import Node
from casa_install.health.kube_tries import PodOnNode, Tried
from casa_install.health.kube_volume import Kept
from casa_install.report.verify import verify_text

ANSWERS = Path(__file__).with_name("answers")
VERSION = "v1.21.3+k3s1"
WANTED = [
    Wanted("s1", "s1.lab.test", server=True, etcd=True, version=VERSION),
    Wanted("a1", "a1.lab.test", server=False, version=VERSION),
]
SERVER = Node("s1.lab.test", ready=True, version=VERSION, roles=("control-plane", "etcd", "master"))
AGENT = Node("a1.lab.test", ready=True, version=VERSION)
HEARD = Answers(
    peer="s1.lab.test",
    peers={"10.42.0.5": "s1.lab.test"},
    service={"10.43.0.9": "a1.lab.test"},
    name="proof.x.svc.cluster.local",
)
GOOD = Tried(
    version=VERSION,
    strangers={"no credentials": "401", "a wrong token": "401"},
    nodes=(AGENT, SERVER),
    core_pods=2,
    dns=True,
    entry_points=(80, 443, 8786),
    storage="local-path",
    image="busybox:1",
    pods={"a1.lab.test": PodOnNode("p1", ("10.42.1.5",)), "s1.lab.test": PodOnNode("p2", ("10.42.0.5",))},
    answers={
        "a1.lab.test": HEARD,
        "s1.lab.test": replace(HEARD, peer="a1.lab.test", peers={"10.42.1.5": "a1.lab.test"}),
    },
    denied=Denied(),
    kept=Kept(volume="pvc-1"),
)


def _ended(results: list[Result], verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(each.check.name, each.host, each.found) for each in results if each.verdict is verdict]


def _failed(tried: Tried, **more: Any) -> list[tuple[str, str, str]]:
    return _ended(list(judge_cluster(tried, WANTED, **more)), Verdict.FAILED)


def _untried(tried: Tried, **more: Any) -> dict[str, str]:
    results = _ended(list(judge_cluster(tried, WANTED, **more)), Verdict.NOT_VERIFIED)
    return {name: found for name, _, found in results}


def test_a_good_cluster_passes_all() -> None:
    results = list(judge_cluster(GOOD, WANTED, dask={"10.0.0.1:8786": ""}))
    assert {each.check for each in results} == set(kube_checks.BY_API)
    assert {each.verdict for each in results} == {Verdict.PASSED}
    assert {each.host for each in results} == {"s1", "a1", "cluster"}


def test_every_check_says_what_to_type_when_it_passes_and_what_a_failure_means() -> None:
    for check in kube_checks.CHECKS:
        assert all((check.name, check.command, check.rule, check.meaning)), check.name
    assert len({check.name for check in kube_checks.CHECKS}) == len(kube_checks.CHECKS)


def test_nothing_is_tried_of_an_api_that_does_not_answer() -> None:
    results = list(judge_cluster(Tried(fault="nothing listens"), WANTED))
    failed = _ended(results, Verdict.FAILED)
    assert failed == [("the cluster's API answers", "cluster", "nothing listens")]
    assert len(_ended(results, Verdict.NOT_VERIFIED)) == len(kube_checks.BY_API) - 1


def test_no_kubeconfig_is_no_failure() -> None:
    results = list(judge_cluster(None, WANTED, unasked="there is no kubeconfig"))
    assert {each.verdict for each in results} == {Verdict.NOT_VERIFIED}
    assert results[0].found == "there is no kubeconfig"


@pytest.mark.parametrize(
    ("tried", "failed"),
    [
        (
            replace(GOOD, strangers={"no credentials": "200", "a wrong token": "401"}),
            [("no credentials, no cluster", "cluster", "no credentials: 200")],
        ),
        (
            replace(GOOD, nodes=(replace(AGENT, ready=False, since="19:30", reason="silent"), SERVER)),
            [("nodes are ready", "a1", "not ready since 19:30: silent")],
        ),
        (
            replace(GOOD, nodes=(SERVER,)),
            [("nodes are ready", "a1", "the cluster has no node a1.lab.test")],
        ),
        (
            replace(GOOD, nodes=(replace(AGENT, version="v1.20.9+k3s1"), SERVER)),
            [("nodes are ready", "a1", "its kubelet runs v1.20.9+k3s1, k3s_version is v1.21.3+k3s1")],
        ),
        (
            replace(GOOD, nodes=(AGENT, replace(SERVER, roles=()))),
            [
                (
                    "nodes are ready",
                    "s1",
                    "it is to be a server, and its roles are: none;"
                    " it is to hold a part of etcd and does not",
                )
            ],
        ),
        (
            replace(GOOD, nodes=(replace(AGENT, roles=("control-plane",)), SERVER)),
            [("nodes are ready", "a1", "it is to be an agent, and its roles are: control-plane")],
        ),
        (
            replace(GOOD, nodes=(AGENT, SERVER, Node("old", ready=True))),
            [("no other nodes", "cluster", "old")],
        ),
        (
            replace(GOOD, core={"coredns-1": "ErrImagePull: the image x cannot be had"}),
            [("core pods are ready", "cluster", "coredns-1 ErrImagePull: the image x cannot be had")],
        ),
        (
            replace(GOOD, pods=dict(GOOD.pods) | {"a1.lab.test": PodOnNode("p1", (), "is Pending")}),
            [("a pod runs on each node", "a1", "is Pending")],
        ),
        (
            replace(GOOD, answers=dict(GOOD.answers) | {"a1.lab.test": Answers(fault="i/o timeout")}),
            [("the API reaches each kubelet", "a1", "i/o timeout")],
        ),
        (
            replace(
                GOOD,
                answers=dict(GOOD.answers) | {"a1.lab.test": replace(HEARD, peers={"10.42.0.5": ""})},
            ),
            [("pods reach pods on other nodes", "a1", "no answer from s1.lab.test (10.42.0.5)")],
        ),
        (
            replace(
                GOOD, answers=dict(GOOD.answers) | {"a1.lab.test": replace(HEARD, service={"10.43.0.9": ""})}
            ),
            [("pods reach a Service", "a1", "no answer from 10.43.0.9")],
        ),
        (
            replace(GOOD, answers=dict(GOOD.answers) | {"a1.lab.test": replace(HEARD, resolved="NXDOMAIN")}),
            [("names resolve in pods", "a1", "proof.x.svc.cluster.local: NXDOMAIN")],
        ),
        (
            replace(GOOD, kept=Kept(fault="the second pod did not find what the first one wrote")),
            [
                (
                    "a volume keeps its data",
                    "cluster",
                    "the second pod did not find what the first one wrote",
                )
            ],
        ),
        (
            replace(GOOD, denied=Denied(let_in=("a1.lab.test",))),
            [("a NetworkPolicy denies", "a1", "its pod can still be reached by all")],
        ),
        (
            replace(GOOD, denied=Denied(shut_out=("a1.lab.test",))),
            [("a NetworkPolicy denies", "a1", "its pod cannot be reached by whom the policy lets in")],
        ),
        (
            replace(GOOD, left="the namespace casa-verify-1 is still there"),
            [("nothing is left in the cluster", "cluster", "the namespace casa-verify-1 is still there")],
        ),
    ],
)
def test_each_check_can_fail_and_no_other_does(tried: Tried, failed: list[tuple[str, str, str]]) -> None:
    assert _failed(tried) == failed


def test_another_node_that_answers_is_not_the_one_that_was_asked() -> None:
    wrong = replace(HEARD, peers={"10.42.0.5": "a1.lab.test"})
    tried = replace(GOOD, answers=dict(GOOD.answers) | {"a1.lab.test": wrong})
    assert [name for name, _, _ in _failed(tried)] == ["pods reach pods on other nodes"]


def test_both_refusals_are_refusals() -> None:
    tried = replace(GOOD, strangers={"no credentials": "403", "a wrong token": "401"})
    assert _failed(tried) == []


def test_an_api_without_a_stranger_answer_is_not_safe() -> None:
    tried = replace(GOOD, strangers={"no credentials": "it did not answer in time", "a wrong token": "401"})
    assert [name for name, _, _ in _failed(tried)] == ["no credentials, no cluster"]


def test_what_is_disabled_is_said_and_no_failure() -> None:
    dumb = {node: replace(heard, name="") for node, heard in GOOD.answers.items()}
    tried = replace(GOOD, dns=False, answers=dumb, storage="", kept=None, core_pods=0, entry_points=())
    assert _failed(tried) == []
    assert _untried(tried, policies=False, dask={}) == {
        "core pods are ready": "kube-system has no pods: all packaged components are disabled",
        "names resolve in pods": "coredns is disabled",
        "a volume keeps its data": "the cluster has no default StorageClass",
        "a NetworkPolicy denies": "k3s's controller for them is disabled",
        "the entry point for Dask answers": "Traefik is disabled",
    }


def test_one_node_has_no_other() -> None:
    alone = {"s1.lab.test": replace(HEARD, peer="", peers={})}
    untried = _untried(replace(GOOD, answers=alone))
    assert untried["pods reach pods on other nodes"] == "pods run on one node only"


def test_without_an_image_nothing_is_tried_with_pods() -> None:
    tried = replace(GOOD, untried="name one in k3s_proof_image", pods={}, answers={}, denied=None, kept=None)
    untried = _untried(tried)
    assert {check.name for check in kube_checks.WITH_PODS} <= untried.keys()
    assert untried["a pod runs on each node"] == "name one in k3s_proof_image"


def test_a_policy_says_nothing_of_a_pod_that_was_never_reached() -> None:
    tried = replace(GOOD, denied=Denied(before=("a1.lab.test",), shut_out=("a1.lab.test",)))
    assert _failed(tried) == []
    assert _untried(tried)["a NetworkPolicy denies"] == "its pod could not be reached before either"


def test_the_entry_point_for_dask() -> None:
    assert _failed(GOOD, dask={"10.0.0.1:8786": "Connection refused"}) == [
        ("the entry point for Dask answers", "cluster", "10.0.0.1:8786: Connection refused")
    ]
    assert "no server has an entry point" in _untried(GOOD)["the entry point for Dask answers"]


def test_a_host_that_was_not_asked_is_known_by_its_short_name() -> None:
    wanted = [WANTED[0], Wanted("a1", "a1", server=False)]
    results = list(judge_cluster(GOOD, wanted))
    assert _ended(results, Verdict.FAILED) == []
    assert {each.host for each in results} == {"s1", "a1", "cluster"}


def test_a_node_is_told_by_its_name_in_the_inventory() -> None:
    tried = replace(GOOD, pods={"stray": PodOnNode(fault="is Pending")})
    assert ("a pod runs on each node", "stray", "is Pending") in _failed(tried)


def _hosts() -> dict[str, dict[str, Any]]:
    return {host: json.loads((ANSWERS / f"verify-k3s-{host}.json").read_text()) for host in ("s1", "a1")}


def test_good_hosts_pass() -> None:
    results = list(judge_hosts(_hosts()))
    assert {(each.check.name, each.host) for each in results} == {
        ("kubelets refuse strangers", "s1"),
        ("kubelets refuse strangers", "a1"),
        ("manifests are deployed by themselves", "s1"),
    }
    assert {each.verdict for each in results} == {Verdict.PASSED}


def test_an_open_kubelet_fails() -> None:
    hosts = _hosts()
    hosts["a1"]["k3s_tried"]["kubelet"]["no credentials"] = "200"
    hosts["a1"]["k3s_tried"]["read_only"] = "200"
    failed = _ended(list(judge_hosts(hosts)), Verdict.FAILED)
    assert failed == [("kubelets refuse strangers", "a1", "no credentials: 200, the read-only port: 200")]


def test_a_kubelet_that_is_down_shows_nothing() -> None:
    hosts = _hosts()
    hosts["a1"]["k3s_tried"]["kubelet"] = {"no credentials": "refused", "a wrong token": "refused"}
    results = list(judge_hosts(hosts))
    assert _ended(results, Verdict.FAILED) == []
    found = "the kubelet does not answer on port 10250: refused"
    assert ("kubelets refuse strangers", "a1", found) in _ended(results, Verdict.NOT_VERIFIED)


def test_a_manifest_without_effect_fails() -> None:
    hosts = _hosts()
    hosts["s1"]["k3s_tried"]["manifest"] = {"seconds": 40.1, "fault": "no object came of x"}
    failed = _ended(list(judge_hosts(hosts)), Verdict.FAILED)
    assert failed == [("manifests are deployed by themselves", "s1", "no object came of x")]


def test_reports_leave_the_cluster_out_where_it_is_the_only_place() -> None:
    results = list(judge_cluster(GOOD, WANTED))
    text = verify_text(results, {}, colour=False)
    assert "the entry point for Dask answers: no server has an entry point for Dask configured\n" in text
    assert "(cluster)" not in text
