"""Whether jobs run as users expect them to, on execution points and from elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from casa_install.health.checks import Check, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casa_install.health.status import Status

    Jobs = Mapping[str, Mapping[str, Any]]
    """Machine -> what its job printed (name -> values), or `fault`, or `busy`."""

JOB = Check(
    "a job runs as its submitter",
    'condor_submit with requirements = Machine == "...", of a job that runs `id; cat /proc/self/cgroup`',
    "it ends, ran on that machine as the account that submitted it, in a control group of its own",
    "users' jobs fail or run as somebody else; the machine's StarterLog tells why",
)
TMP = Check(
    "a job has its own /tmp",
    "condor_submit of a job that writes /tmp/x, then of one that runs `ls /tmp/x` on the same machine",
    "the second job does not see the file of the first",
    "jobs see, change and fill up each other's files in /tmp",
)
MEMORY = Check(
    "a memory limit holds",
    "condor_submit with request_memory = 64MB for a job that takes 400 MB",
    "the job is held with code 34",
    "one job can take the memory of all others on the machine",
)
MOUNTS = Check(
    "jobs see the site's file systems",
    "condor_submit of a job that runs `ls` on each directory of htcondor_health_mounts, /cvmfs for one",
    "each can be listed in a job and is not empty",
    "jobs that need software or data from there fail",
)
SPOOL = Check(
    "submit from elsewhere with a token",
    "condor_submit -spool -name ACCESS_POINT; condor_transfer_data -name ACCESS_POINT JOB; with a token only",
    "the job runs as that user and its output comes back",
    "notebooks and laptops cannot use the pool",
)
REFUSED = Check(
    "no submission without a token",
    "condor_submit -spool -name ACCESS_POINT, with an empty token directory",
    "it is refused, and nothing is in the queue",
    "whoever reaches the access point can run jobs",
)
TAIL = Check(
    "a running job can be watched",
    "condor_tail JOB",
    "it prints what the job has written so far",
    "the access point does not reach the execution points, or is not let in",
)
LOGIN = Check(
    "a running job can be logged in to",
    "condor_ssh_to_job JOB",
    "a command runs beside the job",
    "the access point does not reach the execution points, or sshd is missing there",
)
GPU = Check(
    "a GPU job has its GPU",
    "condor_submit with request_gpus = 1 of a job that runs `nvidia-smi -L`",
    "the job sees one GPU, the one that it was given",
    "jobs see no GPU, or those of other jobs",
)
DOCKER = Check(
    "a docker job runs",
    "condor_submit with universe = docker and docker_image = IMAGE",
    "the job ends and its output comes back",
    "the image cannot be had, or Docker on the machine does not run it; StarterLog tells which",
)
APPTAINER = Check(
    "a container job runs",
    "condor_submit with universe = container and container_image = IMAGE",
    "the job ends and its output comes back",
    "the image cannot be had, or Apptainer on the machine does not run it; StarterLog tells which",
)
DRAIN = Check(
    "a drain waits for jobs",
    "condor_drain -graceful MACHINE; condor_status MACHINE -af State; condor_drain -cancel MACHINE",
    "the running job ends by itself, then the machine is Drained",
    "maintenance ends users' jobs",
)
FAIRNESS = Check(
    "shares hold under load",
    "condor_userprio -allusers -usage, with two users that fill the pool",
    "each gets its share within 20%",
    "one user can keep the pool from others",
)

CHECKS = (*(JOB, TMP, MEMORY, MOUNTS, SPOOL, REFUSED, TAIL, LOGIN, GPU, DOCKER, APPTAINER, DRAIN, FAIRNESS),)
_ON_A_POOL_IN_USE = "it would take machines from users; try it by hand on a machine that is free"


def judge(tried: Mapping[str, Mapping[str, Any]], status: Status) -> Iterator[Result]:
    """Judge what the access point answered to `playbooks/files/try-jobs.py`."""
    yield DRAIN.untried("pool", _ON_A_POOL_IN_USE)
    yield FAIRNESS.untried("pool", "it would fill the pool with jobs for minutes")
    host, found = next(((name, said) for name, said in tried.items() if "jobs" in said), ("", {}))
    if not host:
        why = "no jobs: the inventory has no access or execution point, or no htcondor_proof_user"
        yield from (check.untried("pool", why) for check in CHECKS[:-2])
        return
    for machine, job in found["jobs"].items():
        yield _job(machine, job)
    if found["own_tmp"]:
        yield from _tmp(found["jobs"], found["tmp"])
    else:
        yield TMP.untried("pool", "htcondor_mount_under_scratch has no /tmp")
    yield from _memory(found)
    yield from _mounts(found["jobs"], found.get("mounts", ()))
    yield _spool(host, found["spool"], found["user"])
    yield _refused(host, found["refused"])
    yield _running(TAIL, host, found["tail"], "its output is not shown")
    yield _running(LOGIN, host, found["ssh"], "the command printed nothing")
    yield from _gpus(found.get("gpus", {}))
    offers = {what for each in status.hosts if each.slots for what in each.slots.offers}
    for check, what in ((DOCKER, "docker"), (APPTAINER, "apptainer")):
        yield from _containers(check, what, what in offers, found)


def _unfinished(check: Check, machine: str, job: Mapping[str, Any]) -> Result | None:
    """A job that ended in no answer."""
    if "fault" in job:
        return check.result(machine, passed=False, found=job["fault"])
    return check.untried(machine, job["busy"]) if "busy" in job else None


def _first(job: Mapping[str, Any], name: str) -> str:
    return str((job.get(name) or [""])[0])


def _job(machine: str, job: Mapping[str, Any]) -> Result:
    if (result := _unfinished(JOB, machine, job)) is not None:
        return result
    host, user, group = (_first(job, name) for name in ("host", "user", "cgroup"))
    faults = []
    if host.lower() != machine.lower():
        faults.append(f"it ran on {host or 'no machine that it knows'}")
    if user in ("root", "condor", "nobody", ""):
        faults.append(f"it ran as {user or 'nobody that it knows'}")
    if "condor" not in group:
        faults.append(f"its control group is {group or 'none'}")
    return JOB.result(machine, not faults, "; ".join(faults) or f"as {user}")


def _tmp(jobs: Jobs, looked: Jobs) -> Iterator[Result]:
    for machine, job in looked.items():
        if (result := _unfinished(TMP, machine, job)) is not None:
            yield result
        elif _first(job, "tmp") == "own":
            yield TMP.result(machine, passed=True)
        elif "mounts" not in jobs[machine]:
            why = "jobs share /tmp there: HTCondor may not mount file systems (no CAP_SYS_ADMIN)"
            yield TMP.untried(machine, why)
        else:
            yield TMP.result(machine, passed=False, found="a file of the job before is there")
    if not looked:
        yield TMP.untried("pool", "no job wrote there")


def _memory(found: Mapping[str, Any]) -> Iterator[Result]:
    over = found.get("over_limit")
    for machine, job in found["jobs"].items():
        if "memory_max" in job and not _first(job, "memory_max").isdigit():
            yield MEMORY.untried(machine, "jobs there have no memory controller in their control group")
    if over is not None:
        what = over.get("fault") or f"held with code {over['code']}"
        yield MEMORY.result(over["machine"], over.get("code") == 34, what if over.get("code") else "not held")
    elif not any("memory_max" in job for job in found["jobs"].values()):
        yield MEMORY.untried("pool", "no job ran that could tell")


def _mounts(jobs: Jobs, wanted: Any) -> Iterator[Result]:
    if not wanted:
        yield MOUNTS.untried("pool", "the inventory names none in htcondor_health_mounts")
        return
    for machine, job in jobs.items():
        if (result := _unfinished(MOUNTS, machine, job)) is not None:
            yield result
            continue
        absent = [path for path in wanted if path not in job.get("mount", ())]
        yield MOUNTS.result(machine, not absent, f"not there: {', '.join(absent)}" if absent else "")


def _spool(host: str, job: Mapping[str, Any], user: str) -> Result:
    if (result := _unfinished(SPOOL, host, job)) is not None:
        return result
    if job["owner"] != user:
        return SPOOL.result(
            host, passed=False, found=f"the job belongs to {job['owner'] or 'nobody'}, not {user}"
        )
    return SPOOL.result(host, job["fetched"], "" if job["fetched"] else "its output did not come back")


def _refused(host: str, found: Mapping[str, Any]) -> Result:
    """A submission that failed for want of something else than a token shows nothing."""
    if found["accepted"]:
        return REFUSED.result(host, passed=False, found="it was accepted")
    if not re.search(r"AUTHENTICATE:|SECMAN:", found["says"]):
        return REFUSED.result(host, passed=False, found=f"it failed for another reason: {found['says']}")
    return REFUSED.result(host, passed=True)


def _running(check: Check, host: str, found: Mapping[str, Any], unseen: str) -> Result:
    if "skipped" in found:
        return check.untried(host, found["skipped"])
    if (result := _unfinished(check, host, found)) is not None:
        return result
    return check.result(host, found["seen"], "" if found["seen"] else unseen)


def _gpus(found: Jobs) -> Iterator[Result]:
    if not found:
        yield GPU.untried("pool", "no execution point offers GPUs")
    for machine, job in found.items():
        if (result := _unfinished(GPU, machine, job)) is not None:
            yield result
            continue
        seen, given = list(job.get("uuid", ())), _first(job, "assigned")
        # HTCondor names a GPU by the beginning of its UUID.
        passed = len(seen) == 1 and bool(given) and seen[0].startswith(given)
        yield GPU.result(machine, passed, f"sees {', '.join(seen) or 'none'}, was given {given or 'none'}")


def _containers(check: Check, what: str, offered: bool, found: Mapping[str, Any]) -> Iterator[Result]:
    jobs: Jobs = found.get(what, {})
    if not offered:
        yield check.untried("pool", f"no execution point offers {what}")
    elif not jobs:
        yield check.untried("pool", f"htcondor_proof_image names no image that {what} can run")
    for machine, job in jobs.items():
        if (result := _unfinished(check, machine, job)) is not None:
            yield result
        else:
            passed = _first(job, "said") == found["word"]
            yield check.result(machine, passed, "" if passed else "its output did not come back")
