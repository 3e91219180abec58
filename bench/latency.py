"""How long a job waits on a warm pool, from its submission to its first command.

Jobs of a second are submitted one after another on the access point of a running lab, reached over SSH. Both
times are told by date(1) with milliseconds, one on the access point, one by the job: the machines of a lab
share one clock. On hosts of their own the clocks' difference would be part of the result.
"""

from __future__ import annotations

import argparse
import datetime
import math
import re
import subprocess
import sys

from casa_install.lab.access import Access

JOBS = 20
GOAL_P95 = 10.0
SCRIPT = """
set -eu
cd "$(mktemp -d)"
printf '%s\\n' '#!/bin/sh' 'date "+start %Y-%m-%d %H:%M:%S.%3N"' 'sleep 1' > job.sh
chmod 755 job.sh
printf '%s\\n' 'executable = job.sh' 'log = log' 'output = out' 'should_transfer_files = YES' \
    'when_to_transfer_output = ON_EXIT' 'request_memory = 64MB' 'request_disk = 16MB' 'queue' > job.sub
for n in $(seq "$1"); do
    date '+submit %Y-%m-%d %H:%M:%S.%3N'
    condor_submit -terse job.sub >/dev/null
    condor_wait -wait 120 log >/dev/null
    cat out
    rm log out
done
"""
STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:[.]\d+)?)")


def main() -> None:
    """Measure and print; ends with 1 where the goal is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--name", default="lab", help="the lab")
    asked.add_argument("--host", default="cm1", help="its access point")
    asked.add_argument("--user", default="casa-proof", help="account that submits")
    given = asked.parse_args()
    argv = ["ssh", "-F", str(Access(given.name).ssh_config), given.host]
    argv += ["runuser", "-u", given.user, "--", "/bin/sh", "-s", str(JOBS + 1)]
    done = subprocess.run(argv, input=SCRIPT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"jobs could not be run on {given.host}: {done.stderr.strip()}")
    # The first job warms the pool: nobody held a claim before it.
    first, *waited = waits(done.stdout)
    p50, p95 = percentile(waited, 50), percentile(waited, 95)
    print(f"{len(waited)} jobs one after another, submission to start: first (not counted) {first:.2f} s")
    print(f"  p50 {p50:.2f} s, p95 {p95:.2f} s, goal p95 < {GOAL_P95:.0f} s")
    if p95 >= GOAL_P95:
        sys.exit(1)


def waits(printed: str) -> list[float]:
    """Seconds between each submission and the start after it."""
    times = [datetime.datetime.fromisoformat("T".join(match)) for match in STAMP.findall(printed)]
    return [(started - sent).total_seconds() for sent, started in zip(times[::2], times[1::2], strict=True)]


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank)."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


if __name__ == "__main__":
    main()
