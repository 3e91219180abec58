"""Keeps Dask processes of different environments apart: a preload for schedulers and workers.

A scheduler here takes no worker of another version of the shared environment, Python or Dask, and no worker
that does not say; a worker here ends where the scheduler is another one. Both say why in their logs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import dask
import distributed

logger = logging.getLogger("distributed.casa_environment")
ROOT = Path(__file__).resolve().parents[3]
KEY = "casa_environment"


def identity() -> dict[str, str]:
    """What has to be the same in all processes of a cluster, as strings."""
    try:
        version = json.loads((ROOT / ".complete").read_text(encoding="utf-8"))["version"]
    except FileNotFoundError:
        version = "unfinished"
    return {
        "environment": version,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "dask": dask.__version__,
        "distributed": distributed.__version__,
    }


# What this process runs, whatever becomes of its files.
OURS = identity()


def difference(theirs: Any) -> str:
    """What another process has instead of what this one has; empty where both have the same."""
    if not isinstance(theirs, dict):
        return "it does not come from this site's environment"
    pairs = [(name, str(theirs.get(name, "none")), wanted) for name, wanted in OURS.items()]
    return ", ".join(f"{name} {has} instead of {wanted}" for name, has, wanted in pairs if has != wanted)


def guard_scheduler(scheduler: distributed.Scheduler) -> None:
    """Have a scheduler say what it is, and refuse workers that are something else."""
    identify, register = scheduler.handlers["identity"], scheduler.handlers["register-worker"]

    def say(n_workers: int = -1) -> dict[str, Any]:
        return {**identify(n_workers=n_workers), KEY: OURS}

    async def admit(comm: Any, **message: Any) -> Any:
        other = difference((message.get("extra") or {}).get(KEY))
        if not other:
            return await register(comm, **message)
        text = f"The scheduler refuses the worker {message.get('address')}: {other}"
        logger.error(text)
        await comm.write({"status": "error", "message": text, "time": time.time()})
        return None

    scheduler.handlers["identity"] = say
    scheduler.handlers["register-worker"] = admit


async def guard_worker(worker: distributed.Worker) -> None:
    """Have a worker say what it is, and end where its scheduler is something else.

    Raises:
        SystemExit: The scheduler is another one. Dask only logs other exceptions of a preload.
    """
    worker.startup_information[KEY] = lambda _: OURS
    while True:
        try:
            theirs = (await worker.scheduler.identity(n_workers=0)).get(KEY)
            break
        except OSError:
            # A worker waits for its scheduler, as long as its `--death-timeout` lets it.
            await asyncio.sleep(0.1)
    other = difference(theirs)
    if other:
        text = f"This worker refuses the scheduler {worker.scheduler.address}: {other}"
        logger.error(text)
        raise SystemExit(text)


async def dask_setup(server: Any) -> None:
    """What Dask runs before a scheduler or worker meets others."""
    if isinstance(server, distributed.Scheduler):
        guard_scheduler(server)
    elif isinstance(server, distributed.Worker):
        await guard_worker(server)
