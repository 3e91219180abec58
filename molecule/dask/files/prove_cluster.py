"""As a user, in a login: everything that a cluster of HTCondorCluster() must do. Prints one line a proof."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dask
from dask.distributed import Client
from dask_jobqueue import HTCondorCluster
from distributed import Worker

WORKERS = 4
PORTS = range(28000, 29000)


def wait_until(what: str, true: Callable[[], bool], seconds: int = 120) -> None:
    """Wait for a state, and say how long that took."""
    begin = time.monotonic()
    while not true():
        if time.monotonic() - begin > seconds:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.2)
    print(f"{time.monotonic() - begin:5.1f} s {what}", flush=True)


def of_worker(dask_worker: Worker) -> dict[str, object]:
    """What a worker knows of itself."""
    worker = dask_worker
    return {
        "host": os.uname().nodename,
        "uid": os.getuid(),
        "address": worker.address,
        "nanny": worker.nanny,
        "threads": worker.state.nthreads,
        "limit": worker.memory_manager.memory_limit,
        "spill": dask.config.get("distributed.worker.memory.max-spill"),
        "pause": worker.memory_manager.memory_pause_fraction,
        "encryption": worker.security.require_encryption,
        "directory": worker.local_directory,
        "scratch": os.environ["_CONDOR_SCRATCH_DIR"],
        "key": Path("key.pem").stat().st_mode & 0o777,
    }


def queue(attributes: str) -> list[list[str]]:
    """The user's own jobs."""
    said = subprocess.run(["condor_q", "-af", *attributes.split()], capture_output=True, text=True, check=True)  # noqa: S607
    return [line.split() for line in said.stdout.splitlines()]


begin = time.monotonic()
cluster = HTCondorCluster()
assert cluster.scheduler_address.startswith("tls://"), cluster.scheduler_address
client = Client(cluster)
cluster.scale(WORKERS)
client.wait_for_workers(1, timeout=120)
print(f"{time.monotonic() - begin:5.1f} s first worker")
client.wait_for_workers(WORKERS, timeout=120)
print(f"{time.monotonic() - begin:5.1f} s all {WORKERS} workers")

assert client.submit(sum, range(1000)).result(timeout=60) == 499500
seen = list(client.run(of_worker).values())
assert {one["host"] for one in seen} == {"ep1.casa.test", "ep2.casa.test"}, seen
for one in seen:
    assert one["uid"] == os.getuid(), one
    for address in (one["address"], one["nanny"]):
        match = re.fullmatch(r"tls://[0-9.]+:([0-9]+)", str(address))
        assert match and int(match[1]) in PORTS, one
    assert one["threads"] == 1 and one["limit"] == 512 * 2**20 and one["pause"] == 0.8, one
    assert str(one["directory"]).startswith(str(one["scratch"])), one
    assert re.fullmatch(r"[0-9]{6,} KiB", str(one["spill"])), one
    assert one["encryption"] is True and one["key"] == 0o600, one
print("      workers run as the user on both execution points, over TLS, in their ports, with their slots' limits")
client.get_versions(check=True)
print("      versions are equal")
groups = queue("AccountingGroup CasaInteractive KeepClaimIdle")
assert groups == [[f"interactive.{os.environ['USER']}", "true", "20"]] * WORKERS, groups
print("      jobs count for the interactive group")

client.restart()
assert client.submit(sum, range(10)).result(timeout=60) == 45
assert len(client.scheduler_info(n_workers=-1)["workers"]) == WORKERS
print("      restart() gave all workers back")

victim = str(seen[0]["address"])
before = client.run(os.getpid, workers=[victim], on_error="return")
client.run(lambda: threading.Timer(0.5, os._exit, [1]).start(), workers=[victim])
wait_until(
    "a killed worker is back",
    lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == WORKERS
    and not set(client.run(os.getpid, on_error="return").values()) & set(before.values()),
)
assert client.submit(sum, range(11)).result(timeout=60) == 55

lost = queue("ClusterId")[0][0]
subprocess.run(["condor_rm", lost], check=True, capture_output=True)  # noqa: S607
wait_until("a removed job's worker is gone", lambda: len(client.scheduler_info(n_workers=-1)["workers"]) < WORKERS)
assert client.submit(sum, range(12)).result(timeout=60) == 66
wait_until("the cluster knows that its job is lost", lambda: len(cluster.workers) < WORKERS)
cluster.scale(WORKERS)
wait_until("the lost job is replaced", lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == WORKERS)
assert client.submit(sum, range(13)).result(timeout=60) == 78

cluster.adapt(minimum=0, maximum=3)
wait_until("adaptive scaling went down", lambda: not client.scheduler_info(n_workers=-1)["workers"] and not queue("JobStatus"))
slow = client.map(lambda number: time.sleep(1) or number, range(40))
wait_until("adaptive scaling went up", lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 3)
assert sum(client.gather(slow)) == 780

logs = Path.home() / "dask-worker-logs"
assert logs.stat().st_mode & 0o777 == 0o700
client.close()
cluster.close()
wait_until("no job is left", lambda: not queue("JobStatus"))
texts = [path.read_text() for path in logs.glob("worker-*.err")]
assert sum("Registered to" in text for text in texts) >= WORKERS, texts
print(f"      logs of {len(texts)} workers are back")
