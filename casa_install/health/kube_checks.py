"""What `casa-install verify` tries in a k3s cluster: each check, its rule and what a failure means.

The tries are in `kube_tries`, which asks the API from here, and in `playbooks/files/try-k3s.py`, which runs
on the hosts; `kube_judge` says how they ended.
"""

from __future__ import annotations

from casa_install.health.checks import Check

CLUSTER = "cluster"
"""Where a check is that belongs to no host; reports leave it out."""

ACCESS = Check(
    "the cluster's API answers",
    "kubectl --kubeconfig KUBECONFIG get --raw /version",
    "it shows a certificate of its authority, and takes the administrator's kubeconfig",
    "nobody can administer the cluster from here",
)
STRANGER = Check(
    "no credentials, no cluster",
    "curl --cacert server-ca.crt https://SERVER:6443/api/v1/nodes",
    "the API refuses who has no credentials or a wrong token",
    "whoever reaches port 6443 can read or change the cluster",
)
READY = Check(
    "nodes are ready",
    "kubectl get nodes -o wide; kubectl describe node NODE",
    "every host of the inventory is a Ready node with its role and the version of k3s_version",
    "pods are not started there, or are moved away; `journalctl -u k3s -u k3s-agent` on the host tells why",
)
OTHERS = Check(
    "no other nodes",
    "kubectl get nodes",
    "every node of the cluster is in the inventory",
    "they are not upgraded or watched with the others; add them, or remove them with `kubectl delete node`",
)
CORE = Check(
    "core pods are ready",
    "kubectl -n kube-system get pods; kubectl -n kube-system describe pod POD",
    "all pods of kube-system are",
    "what they do for the cluster is missing: DNS, volumes, metrics or what comes in from outside",
)
RUNS = Check(
    "a pod runs on each node",
    "kubectl -n casa-verify-... get pods -o wide, while verify runs",
    "a pod of k3s_proof_image becomes ready",
    "users' pods do not start there",
)
EXEC = Check(
    "the API reaches each kubelet",
    "kubectl exec POD -- true",
    "a command runs in a pod on each node",
    "logs, exec and metrics fail: port 10250 of the node is closed to servers, or its tunnel is down",
)
ACROSS = Check(
    "pods reach pods on other nodes",
    "kubectl exec POD -- wget -q -O - http://ADDRESS-OF-A-POD-ELSEWHERE:8080/",
    "the pod of each node hears the one of the next",
    "the network between nodes is broken: 8472/udp (VXLAN), 51820/udp (WireGuard), a firewall, or an MTU",
)
SERVICE = Check(
    "pods reach a Service",
    "kubectl exec POD -- wget -q -O - http://CLUSTER-IP/",
    "the pod of each node hears one behind a ClusterIP",
    "kube-proxy's rules are missing on the node: `journalctl -u k3s` there, and other programs' nftables",
)
DNS = Check(
    "names resolve in pods",
    "kubectl exec POD -- nslookup proof.NAMESPACE.svc.cluster.local",
    "the pod of each node gets a Service's address for its name",
    "programs find nothing by name; look at the pods of coredns and at 53/udp between nodes",
)
VOLUME = Check(
    "a volume keeps its data",
    "kubectl get storageclass,pvc,pv -A",
    "a second pod reads what the first one wrote into a claim on the default StorageClass",
    "what users and services store is lost or cannot be stored",
)
POLICY = Check(
    "a NetworkPolicy denies",
    "kubectl get networkpolicy -A",
    "a pod that reached others no longer does under a policy that lets in another one only, which still does",
    "policies protect nothing: services in the cluster are open to every pod",
)
KUBELET = Check(
    "kubelets refuse strangers",
    "curl -k https://NODE:10250/pods; curl http://NODE:10255/pods",
    "who has no credentials or a wrong token gets 401, and the read-only port is closed",
    "whoever reaches port 10250 can run commands in every pod of the node",
)
DEPLOY = Check(
    "manifests are deployed by themselves",
    "ls /var/lib/rancher/k3s/server/manifests; kubectl -n kube-system get addons",
    "the object of a file in the directory of manifests appears within 40 s",
    "what is put there has no effect, k3s's own parts among it; `journalctl -u k3s` tells why",
)
DASK = Check(
    "the entry point for Dask answers",
    "kubectl -n kube-system get service traefik; nc -z NODE PORT",
    "Traefik has a port k3s_dask_port, and it takes connections",
    "users cannot reach Dask schedulers in the cluster from outside",
)
CLEAN = Check(
    "nothing is left in the cluster",
    "kubectl get namespaces -l casa-install.io/verify",
    "the namespace that verify worked in is gone",
    "namespaces cannot be removed; an API service that does not answer is the usual cause",
)

CHECKS = (
    ACCESS,
    STRANGER,
    READY,
    OTHERS,
    CORE,
    RUNS,
    EXEC,
    ACROSS,
    SERVICE,
    DNS,
    VOLUME,
    POLICY,
    KUBELET,
    DEPLOY,
    DASK,
    CLEAN,
)
BY_API = tuple(check for check in CHECKS if check not in (KUBELET, DEPLOY))
WITH_PODS = (RUNS, EXEC, ACROSS, SERVICE, DNS, VOLUME, POLICY, CLEAN)
