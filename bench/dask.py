"""How long users wait for Dask workers on a warm pool: from `HTCondorCluster()` to the first and to all.

One cluster after another, in a login of a user on the access point of a running lab, reached over SSH. Time
counts from the call to `HTCondorCluster` on; starting Python and importing Dask before it does not.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys

from casa_install.lab.access import Access

CLUSTERS = 10
GOAL_P95 = 15.0
PROGRAM = """
import json, sys, time
from dask.distributed import Client
from dask_jobqueue import HTCondorCluster
for _ in range(int(sys.argv[1])):
    begin = time.monotonic()
    with HTCondorCluster() as cluster, Client(cluster) as client:
        cluster.scale(int(sys.argv[2]))
        client.wait_for_workers(1, timeout=300)
        first = time.monotonic() - begin
        client.wait_for_workers(int(sys.argv[2]), timeout=300)
        print(json.dumps([first, time.monotonic() - begin]), flush=True)
"""


def main() -> None:
    """Measure and print; ends with 1 where the goal is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--name", default="lab", help="the lab")
    asked.add_argument("--host", default="cm1", help="its access point")
    asked.add_argument("--user", default="ada", help="whose clusters they are")
    asked.add_argument("--workers", type=int, default=4, help="workers of each")
    given = asked.parse_args()
    python = ["/opt/casa/env/current/bin/python", "-c", PROGRAM, str(CLUSTERS + 1), str(given.workers)]
    words = ["runuser", "-l", given.user, "-c", "exec " + shlex.join(python)]
    argv = ["ssh", "-F", str(Access(given.name).ssh_config), given.host, shlex.join(words)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(f"no clusters on {given.host}: {done.stderr.strip()[-2000:]}")
    # The first warms the pool: nobody held a claim before it, and files were read for the first time.
    warm, *waited = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    print(f"{len(waited)} clusters of {given.workers} workers each")
    print(f"  before them one that is not counted: {warm[0]:.1f} s, {warm[1]:.1f} s")
    for name, place in (("first worker", 0), ("all workers", 1)):
        times = sorted(one[place] for one in waited)
        print(f"  {name}: p50 {percentile(times, 50):.1f} s, p95 {percentile(times, 95):.1f} s")
    p95 = percentile(sorted(one[0] for one in waited), 95)
    print(f"  goal: first worker p95 < {GOAL_P95:.0f} s")
    if p95 >= GOAL_P95:
        sys.exit(1)


def percentile(ordered: list[float], part: int) -> float:
    """The nearest-rank percentile of times in ascending order."""
    return ordered[max(0, -(-len(ordered) * part // 100) - 1)]


if __name__ == "__main__":
    main()
