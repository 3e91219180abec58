"""As a user, in a session: the digest and mode of the token that a worker has, and the dashboard's address."""

import hashlib
import os
from pathlib import Path

from dask.distributed import Client
from dask_jobqueue import HTCondorCluster


def seen() -> tuple[str, str]:
    """What the worker's own environment leads to."""
    path = Path(os.environ["BEARER_TOKEN_FILE"])
    assert path.parent == Path(os.environ["_CONDOR_SCRATCH_DIR"])
    return hashlib.sha256(path.read_bytes().strip()).hexdigest(), oct(path.stat().st_mode & 0o777)


with HTCondorCluster(n_workers=1) as cluster, Client(cluster) as client:
    print(*client.submit(seen).result(timeout=120), cluster.dashboard_link)
