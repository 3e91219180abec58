"""As a user, in a login: the other ways to a cluster: CoffeaCasaCluster, the address of AGC notebooks, JupyterLab's panel."""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

from dask.distributed import Client
from dask_jobqueue import HTCondorCluster


def prove(client: Client, what: str) -> None:
    """Have it compute, as the user, over TLS, on two workers."""
    client.wait_for_workers(2, timeout=120)
    assert client.submit(sum, range(100)).result(timeout=60) == 4950
    assert set(client.run(os.getuid).values()) == {os.getuid()}
    workers = client.scheduler_info(n_workers=-1)["workers"]
    assert all(address.startswith("tls://") for address in workers), workers
    client.restart()
    assert client.submit(sum, range(10)).result(timeout=60) == 45
    print(what, "works:", sorted(workers), flush=True)


# The documented line.
with HTCondorCluster(config_name="localhost", n_workers=2), Client("tls://localhost:8786") as client:
    prove(client, 'Client("tls://localhost:8786")')

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from coffea_casa import CoffeaCasaCluster

    with CoffeaCasaCluster(n_workers=2) as cluster, Client(cluster) as client:
        assert cluster.scheduler_address.startswith("tls://"), cluster.scheduler_address
        prove(client, "CoffeaCasaCluster")

token = secrets.token_hex(16)
bin_directory = Path(sys.executable).parent
with subprocess.Popen(
    [bin_directory / "jupyter-lab", "--no-browser", "--ServerApp.port=18888", "--ServerApp.ip=127.0.0.1"],
    env=os.environ | {"JUPYTER_TOKEN": token},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
) as lab:
    def ask(method: str, path: str, **body: object) -> object:
        """Ask the panel's side of the Jupyter server."""
        request = urllib.request.Request(  # noqa: S310
            f"http://127.0.0.1:18888/dask/clusters{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    try:
        for _ in range(100):
            try:
                assert ask("GET", "") == []
                break
            except OSError:
                time.sleep(0.5)
        model = ask("PUT", "")
        assert isinstance(model, dict) and model["scheduler_address"].startswith("tls://"), model
        assert model["adapt"] == {"minimum": 0, "maximum": 100}, model
        mine = f"/{model['id']}"
        ask("PATCH", mine, workers=2)
        with Client(model["scheduler_address"]) as client:
            prove(client, "NEW of JupyterLab's panel")
        ask("DELETE", mine)
        assert ask("GET", "") == []
    finally:
        lab.terminate()
