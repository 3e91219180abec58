"""As a user, in an own environment: use a package of one's own on workers."""

import casa_proof_package
from dask.distributed import Client
from dask_jobqueue import HTCondorCluster

with HTCondorCluster(n_workers=2) as cluster, Client(cluster) as client:
    client.wait_for_workers(2, timeout=120)
    assert set(client.run(casa_proof_package.answer).values()) == {42}
print("a package of one's own reached the workers")
