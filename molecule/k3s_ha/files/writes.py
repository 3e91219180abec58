"""Write objects through every server of a cluster while one is killed; what was acknowledged must be there.

Arguments: kubeconfig, addresses of the servers, the command that kills one (JSON). Prints what happened.
"""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from casa_install.cluster.access import open_cluster, with_host
from casa_install.errors import CasaError
from casa_install.health.kube_api import KubeApi
from casa_install.health.kube_config import read_kubeconfig

PATH = "/api/v1/namespaces/default/configmaps"
LABEL = "casa-proof=writes"
SECONDS = 25
KILL_AFTER = 6


def through(kubeconfig: Path, address: str) -> KubeApi:
    """One server's API; it need not answer now."""
    found = read_kubeconfig(kubeconfig)
    cluster = found.content["clusters"][0]
    url = with_host(found.server, address)
    content = {**found.content, "clusters": [{**cluster, "cluster": {**cluster["cluster"], "server": url}}]}
    return KubeApi(replace(found, server=url, content=content))


def write(api: KubeApi, name: str, ended: threading.Event, acknowledged: list, failed: list) -> None:
    """Create one object after the other; note which the server said it has."""
    number = 0
    while not ended.is_set():
        number += 1
        key = f"writes-{name}-{number}"
        metadata = {"name": key, "labels": {"casa-proof": "writes"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        try:
            api.create(PATH, body | {"data": {"number": str(number)}})
        except CasaError:
            failed.append((time.monotonic(), key))
            ended.wait(0.05)
        else:
            acknowledged.append((time.monotonic(), key))


def main() -> int:
    """Write, kill, look."""
    kubeconfig, addresses, kill = Path(sys.argv[1]), sys.argv[2].split(","), json.loads(sys.argv[3])
    apis = [through(kubeconfig, address) for address in addresses]
    ended = threading.Event()
    acknowledged, failed = [], []
    threads = [
        threading.Thread(target=write, args=(api, str(number), ended, acknowledged, failed))
        for number, api in enumerate(apis, 1)
    ]
    for thread in threads:
        thread.start()
    time.sleep(KILL_AFTER)
    killed = time.monotonic()
    subprocess.run(kill, check=True)
    time.sleep(SECONDS - KILL_AFTER)
    ended.set()
    for thread in threads:
        thread.join()
    other = open_cluster(kubeconfig, servers=addresses)
    other.wait(
        "/api/v1/nodes",
        lambda nodes: all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
            for node in nodes
        ),
        120,
    )
    after = [moment for moment, _ in acknowledged if moment > killed]
    pairs = zip([killed, *after], after, strict=False)
    gap = max((later - sooner for sooner, later in pairs), default=SECONDS)
    for address, api in zip(addresses, apis, strict=True):
        there = {item["metadata"]["name"] for item in api.get(PATH, labelSelector=LABEL)["items"]}
        lost = {key for _, key in acknowledged} - there
        print(f"{address}: {len(acknowledged)} objects acknowledged, {len(lost)} of them lost")
        if lost:
            return 1
    print(f"{len(after)} acknowledged after the kill, the longest gap {gap:.1f} s, {len(failed)} refused")
    if len(acknowledged) < 100 or len(after) < 50 or not failed:
        print("too few objects were written, or nothing was killed, for this to prove anything")
        return 1
    for _, key in acknowledged:
        apis[-1].delete(f"{PATH}/{key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
