"""Print the time that each owner's jobs ran lately, as `owner seconds`, from the access point's records.

Argument: how many seconds back.
"""

import json
import subprocess
import sys
import time

end = int(time.time())
begin = end - int(sys.argv[1])
ATTRIBUTES = "Owner,JobCurrentStartDate,CompletionDate,JobStatus"
used: dict[str, int] = {}
for command in (["condor_q", "-allusers"], ["condor_history", "-completedsince", str(begin)]):
    answer = subprocess.run(
        [*command, "-json", "-attributes", ATTRIBUTES], capture_output=True, check=True
    ).stdout
    for job in json.loads(answer or "[]"):
        started = job.get("JobCurrentStartDate", end)
        ended = job.get("CompletionDate") or end
        used[job["Owner"]] = used.get(job["Owner"], 0) + max(0, min(end, ended) - max(begin, started))
for owner, seconds in sorted(used.items()):
    print(owner, seconds)
