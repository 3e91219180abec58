"""What `casa-install verify` puts into a cluster while it tries, and takes out again."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

LABEL = "casa-install.io/verify"
"""On the namespace; its value is the run's."""
PREFIX = "casa-verify-"
PORT = 8080
SERVICE, FRIEND, STRANGER, KEEPER, CLAIM = "proof", "friend", "stranger", "keeper", "proof"
LIFETIME = 900
"""Seconds after which what a killed run left is nobody's any more; pods end by themselves then."""

_SERVE = 'mkdir -p /tmp/www && printf %s "$NODE" > /tmp/www/index.html && exec httpd -f -p {port} -h /tmp/www'
_NOBODY = 65534


def namespace(name: str) -> Object:
    """Return the namespace of a run.

    Its pod security is set there, so that a cluster whose default is `restricted` lets the pod with a volume
    run as root, without any capability: directories of local-path belonged to root until k3s 1.22.
    """
    labels = {LABEL: name.removeprefix(PREFIX), "app.kubernetes.io/managed-by": "casa-install"}
    labels |= {f"pod-security.kubernetes.io/{mode}": "baseline" for mode in ("enforce", "warn", "audit")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def nodes_pods(image: str) -> Object:
    """Return the DaemonSet whose pods answer with their node's name."""
    labels = {"app": SERVICE}
    container = _container(image, _SERVE.format(port=PORT)) | {
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 5},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  # inside the pod
    }
    spec = _pod_spec(container) | {"volumes": [{"name": "tmp", "emptyDir": {}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": SERVICE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def service() -> Object:
    """Return the Service in front of those pods, with an address per IP family of the cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE},
        "spec": {
            "selector": {"app": SERVICE},
            "ports": [{"port": 80, "targetPort": PORT}],
            "ipFamilyPolicy": "PreferDualStack",
        },
    }


def asking_pod(name: str, image: str, node: str) -> Object:
    """Return a pod that does nothing by itself; commands are run in it."""
    return _pod(name, _pod_spec(_container(image, f"exec sleep {LIFETIME}")), node)


def keeping_pod(image: str) -> Object:
    """Return a pod with the volume, on whatever node the scheduler finds for both."""
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    spec = _pod_spec(_container(image, f"exec sleep {LIFETIME}") | mount)
    spec["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 0}
    spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}]
    # Where only servers are free; a toleration of everything would include nodes that are gone.
    keys = ("CriticalAddonsOnly", "node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
    spec["tolerations"] = [{"key": key, "operator": "Exists"} for key in keys]
    return _pod(KEEPER, spec, "")


def claim() -> Object:
    """Return a claim on the default StorageClass."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Mi"}}},
    }


def policy() -> Object:
    """Return a NetworkPolicy that lets one pod only reach those on the nodes."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": SERVICE},
        "spec": {
            "podSelector": {"matchLabels": {"app": SERVICE}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": FRIEND}}}]}],
        },
    }


def _pod(name: str, spec: Object, node: str) -> Object:
    spec = spec | {"restartPolicy": "Never", "activeDeadlineSeconds": LIFETIME}
    if node:
        # By the scheduler, as users' pods, but on a node that is known to be ready.
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        spec["tolerations"] = [{"operator": "Exists"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }


def _pod_spec(container: Object) -> Object:
    return {
        "containers": [container],
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _container(image: str, script: str) -> Object:
    return {
        "name": "proof",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
