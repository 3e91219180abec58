"""A look at a cluster of others: what it has, what these credentials may do, and what its admin is given."""

from __future__ import annotations

import json

import pytest
import yaml

from casa_install.health.adopt_cluster import admin_manifest, needs, probe_cluster
from casa_install.health.kube_errors import KubeError
from casa_install.report.adopt import adopt_json, adopt_text

VERSION = {"major": "1", "minor": "29", "gitVersion": "v1.29.4"}
NODE = {
    "metadata": {"name": "n1", "labels": {}},
    "spec": {},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.29.4"},
    },
}
CLASS = {
    "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "example.org/disk",
}
WHOLE = {
    "/api/v1/nodes": {"items": [NODE]},
    "/api/v1/namespaces/casa": {},
    "/apis": {"groups": [{"name": "traefik.io"}]},
    "/apis/storage.k8s.io/v1/storageclasses": {"items": [CLASS]},
    "/apis/networking.k8s.io/v1/ingressclasses": {
        "items": [{"metadata": {"name": "traefik"}, "spec": {"controller": "traefik.io/ingress-controller"}}]
    },
    "/apis/apps/v1/daemonsets": {"items": [{"metadata": {"name": "calico-node"}}]},
}


class Api:
    """An API that answers from a table, and denies some verbs."""

    def __init__(self, table=None, version=None, denied=()):
        self.table = WHOLE | (table or {})
        self.version = version or VERSION
        self.denied = set(denied)
        self.created = []

    def get(self, path, **_):
        answer = self.table[path]
        if isinstance(answer, int):
            raise KubeError(f"answers {answer}", status=answer)
        return answer

    def text(self, path):
        assert path == "/version"
        return json.dumps(self.version)

    def create(self, path, body):
        self.created.append(path)
        asked = body["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["resource"], asked["verb"]) not in self.denied}}


def missing(probe):
    return {each.what: each.missing for each in probe.looked if each.missing}


def test_a_cluster_that_has_all_is_ready():
    probe = probe_cluster(Api(), "casa")
    assert probe.ok
    assert missing(probe) == {}
    assert "These credentials may do all that is needed." in adopt_text(probe)


def test_only_reviews_are_created():
    api = Api()
    probe_cluster(api, "casa")
    assert set(api.created) == {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}


@pytest.mark.parametrize(
    ("table", "version", "what", "said"),
    [
        ({}, {"major": "1", "minor": "20+", "gitVersion": "v1.20.9"}, "version", "1.21 or newer"),
        ({"/api/v1/nodes": {"items": []}}, None, "nodes", "a node that is Ready"),
        ({"/api/v1/nodes": 403}, None, "nodes", "permission to list nodes"),
        ({"/api/v1/namespaces/casa": 404}, None, "namespace", "a namespace casa"),
        ({"/api/v1/namespaces/casa": 403}, None, "namespace", "permission to get namespaces"),
        (
            {"/apis/storage.k8s.io/v1/storageclasses": {"items": []}},
            None,
            "storage class",
            "is-default-class",
        ),
        ({"/apis/storage.k8s.io/v1/storageclasses": 403}, None, "storage class", "permission to list"),
        (
            {"/apis": {"groups": []}, "/apis/networking.k8s.io/v1/ingressclasses": {"items": []}},
            None,
            "ingress",
            "an ingress controller",
        ),
        ({"/apis": {"groups": []}}, None, "ingress", "Traefik, if Dask clusters"),
        ({"/apis/apps/v1/daemonsets": {"items": []}}, None, "network policies", "a network plugin"),
        ({"/apis/apps/v1/daemonsets": 403}, None, "network policies", "the admin's word"),
    ],
)
def test_what_is_missing_is_said(table, version, what, said):
    probe = probe_cluster(Api(table, version), "casa")
    assert not probe.ok
    assert said in missing(probe)[what]
    assert set(missing(probe)) == {what}


def test_k3s_enforces_policies_by_itself():
    api = Api({"/apis/apps/v1/daemonsets": {"items": []}}, VERSION | {"gitVersion": "v1.29.4+k3s1"})
    assert missing(probe_cluster(api, "casa")) == {}


def test_a_missing_permission_is_named_with_its_verbs_only():
    probe = probe_cluster(Api(denied=[("pods", "create"), ("pods", "delete"), ("nodes", "watch")]), "casa")
    denied = {need.resource: need.verbs for need in probe.denied if need.verbs}
    assert denied["pods"] == ("create", "delete")
    assert denied["nodes"] == ("watch",)
    assert "pods" in adopt_text(probe)
    assert "everywhere" in adopt_text(probe)
    assert adopt_json(probe)["ok"] is False


def test_an_error_of_the_cluster_is_no_answer():
    with pytest.raises(KubeError, match="answers 500"):
        probe_cluster(Api({"/api/v1/nodes": 500}), "casa")


def test_the_admin_is_given_what_is_asked_for_and_nothing_beside():
    bodies = list(yaml.safe_load_all(admin_manifest("casa")))
    assert [body["kind"] for body in bodies] == [
        "Namespace",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    ]
    given = {
        (body["kind"] == "Role", group, resource, verb)
        for body in bodies
        for rule in body.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == {
        (need.namespaced, need.group, need.resource, verb) for need in needs() for verb in need.verbs
    }
    assert not any("*" in (group, resource, verb) for _, group, resource, verb in given)
    written = {verb for namespaced, *_, verb in given if not namespaced}
    assert written <= {"get", "list", "watch"}
