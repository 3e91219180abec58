"""As a user: hold a cluster of two workers until standard input ends. Prints what others may try to reach."""

import json
import os
import subprocess
import sys

from dask.distributed import Client
from dask_jobqueue import HTCondorCluster

with HTCondorCluster() as cluster, Client(cluster) as client:
    cluster.scale(2)
    client.wait_for_workers(2, timeout=180)
    assert client.submit(sum, range(5)).result(timeout=60) == 10
    jobs = subprocess.run(["condor_q", "-af", "ClusterId"], capture_output=True, text=True, check=True)  # noqa: S607
    seen = {
        "scheduler": cluster.scheduler_address,
        "workers": list(client.scheduler_info(n_workers=-1)["workers"]),
        "files": os.environ["CASA_WORKER_FILES"].split(","),
        "jobs": jobs.stdout.split(),
        "hosts": sorted(client.run(lambda: os.uname().nodename).values()),
    }
    print(json.dumps(seen), flush=True)
    sys.stdin.read()
    # What others tried has changed nothing.
    assert client.submit(sum, range(6)).result(timeout=60) == 15
    assert sorted(client.scheduler_info(n_workers=-1)["workers"]) == sorted(seen["workers"])
print("closed", flush=True)
