"""Ask a host about its HTCondor, and the pool about itself. Runs on the host as root; changes nothing there.

Arguments: `pool` to ask the pool too, `queue` to ask the access point's queue, `offer=WHAT` for what the
inventory says that this execution point offers to jobs, which is given back. Prints one JSON object. Of a
token only what it says of itself is read; neither it nor its signature leaves the host.
"""

import base64
import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys

SECONDS = 30
RECEIPTS = pathlib.Path("/etc/casa-install/receipts")
TOKENS = pathlib.Path("/etc/condor/tokens.d")
JOB_STATES = {"1": "idle", "2": "running", "5": "held"}
DAEMON = "Machine,MyAddress,CondorVersion"
# The same as in casa_install/health/pool_program.py, which asks without SSH.
POOL = {
    "masters": [["-master"], DAEMON],
    "collectors": [["-collector"], DAEMON],
    "negotiators": [
        ["-negotiator"],
        DAEMON + ",LastNegotiationCycleDuration0,LastNegotiationCycleEnd0,LastNegotiationCycleMatches0",
    ],
    "schedds": [["-schedd"], DAEMON + ",Name,RecentDaemonCoreDutyCycle"],
    "slots": [
        [],
        DAEMON + ",Name,SlotType,State,Activity,Cpus,TotalSlotCpus,Memory,TotalSlotMemory,TotalSlotGPUs,"
        "CasaHealthy,CasaHealthReason,Draining,DrainReason,SlotBrokenReason,CgroupEnforced,HasDocker,"
        "DockerOfflineReason,HasSingularity,SingularityOfflineReason",
    ],
}


def run(*words):
    """Return status, standard output and standard error of a command; 127 and a reason if it cannot run."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return 127, "", words[0] + " is not installed"
    except subprocess.TimeoutExpired:
        return 124, "", words[0] + " did not answer within " + str(SECONDS) + " s"
    return done.returncode, done.stdout, done.stderr.strip()


def host():
    """Return what HTCondor is on this host."""
    status, output, fault = run("condor_version")
    version = re.search(r"CondorVersion: (\S+)", output)
    _, name, _ = run("condor_config_val", "FULL_HOSTNAME")
    _, unit, _ = run("systemctl", "show", "condor.service", "--property=ActiveState", "--value")
    return {
        "installed": status == 0,
        "fault": fault if status else "",
        "machine": name.strip(),
        "version": version.group(1) if version else "",
        "unit": unit.strip(),
    }


def tokens():
    """Return what the host's join tokens say of themselves."""
    found = []
    for path in sorted(TOKENS.glob("*")) if TOKENS.is_dir() else []:
        if not path.is_file():
            continue
        for line in path.read_text().split():
            try:
                payload = line.split(".")[1]
                says = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            except (IndexError, ValueError):
                says = {}
            found.append(
                {
                    "name": path.name,
                    "subject": says.get("sub", ""),
                    "scope": says.get("scope", "").split(),
                    "issued": says.get("iat"),
                    "expires": says.get("exp"),
                }
            )
    return found


def receipts():
    """Return what is owed, and the files of ours that somebody else changed since."""
    owed, drift = [], []
    for path in sorted(RECEIPTS.glob("*.json")) if RECEIPTS.is_dir() else []:
        receipt = json.loads(path.read_text())
        if path.stem in ("notebook", "xcache"):
            continue  # ask-notebook.py and ask-xcache.py tell of them
        owed += [{"role": path.stem, **item} for item in receipt.get("owed", []) if not done(path.stem, item)]
        for entry in receipt.get("entries", []):
            digest = entry.get("ours", {}).get("sha256")
            if entry.get("kind") != "file" or not digest:
                continue
            ours = pathlib.Path(entry["name"])
            if not ours.is_file():
                drift.append({"path": entry["name"], "what": "is gone"})
            elif hashlib.sha256(ours.read_bytes()).hexdigest() != digest:
                drift.append({"path": entry["name"], "what": "was changed by somebody else"})
    return owed, drift


def done(role, owed):
    """Return whether somebody has done what is owed; the receipt learns of it with the next run."""
    if role != "htcondor" or owed.get("proof") != "restart":
        return False
    _, since, _ = run(
        "systemctl",
        "show",
        "condor.service",
        "--property=ActiveEnterTimestamp",
        "--timestamp=unix",
        "--value",
    )
    return since.startswith("@") and int(since[1:]) >= owed.get("since", 0)


def pool():
    """Return the pool's own ads, or the fault."""
    answer = {}
    for name, (kind, attributes) in POOL.items():
        status, output, fault = run("condor_status", *kind, "-json", "-attributes", attributes)
        if status:
            return {"fault": fault.splitlines()[0] if fault else "condor_status ended with " + str(status)}
        answer[name] = json.loads(output or "[]")
    return answer


def group_of(accounting_group, owner):
    """Return the group of a job: what its accounting group names before the person."""
    if accounting_group in ("", "undefined", owner):
        return ""
    if accounting_group.endswith("." + owner):
        return accounting_group[: -len(owner) - 1]
    # An account that submits for many names the person itself, without a dot.
    return accounting_group.rpartition(".")[0]


def queue():
    """Return how many jobs of which group are in which state, and why jobs are held."""
    status, output, fault = run(
        "condor_q", "-allusers", "-af:t", "AccountingGroup", "Owner", "JobStatus", "HoldReason"
    )
    if status:
        return {"fault": fault.splitlines()[0] if fault else "condor_q ended with " + str(status)}
    jobs, held = collections.Counter(), collections.Counter()
    for line in output.splitlines():
        group, owner, state, reason = line.split("\t", 3)
        jobs[(group_of(group, owner), JOB_STATES.get(state, "other"))] += 1
        if state == "5":
            held[reason] += 1
    return {
        "jobs": [
            {"group": group, "state": state, "jobs": number}
            for (group, state), number in sorted(jobs.items())
        ],
        "held": [{"reason": reason, "jobs": number} for reason, number in held.most_common(3)],
    }


def main(arguments):
    """Print what was found."""
    answer = {"host": host(), "offers": [word[6:] for word in arguments if word.startswith("offer=")]}
    if answer["host"]["installed"]:
        answer["tokens"] = tokens()
        answer["owed"], answer["drift"] = receipts()
        if "pool" in arguments:
            answer["pool"] = pool()
        if "queue" in arguments:
            answer["queue"] = queue()
    print("casa-install answer 1")
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
