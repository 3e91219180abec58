"""How long a person waits for JupyterLab, from the login form on, with a server that does not run yet.

A real browser logs in ten times at the hub of a running lab.
"""

from __future__ import annotations

import argparse
import statistics

from tools.browser.chromium import chromium, place
from tools.browser.scenes import times


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--name", default="lab", help="the lab")
    asked.add_argument("--visits", type=int, default=10)
    given = asked.parse_args()
    where = place(given.name)
    with chromium(where) as browser:
        # The first visit of a browser fills its cache with JupyterLab's files.
        first, *seconds = times(browser, where, print, visits=given.visits + 1)
    ninety_five = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    print(f"{len(seconds)} logins to JupyterLab: first (not counted) {first:.2f} s")
    print(f"  p50 {statistics.median(seconds):.2f} s, p95 {ninety_five:.2f} s")


if __name__ == "__main__":
    main()
