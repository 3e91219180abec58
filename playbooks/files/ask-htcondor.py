"""Ask a host about its HTCondor, and the pool about itself. Runs on the host as root; changes nothing there.

Arguments: `pool` to ask the pool too, `queue` to ask the access point's queue. Prints one JSON object. Of a
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
POOL = {
    "masters": [["-master"], "Machine,MyAddress,CondorVersion"],
    "slots": [
        [],
        "Machine,Name,SlotType,State,Activity,Cpus,TotalSlotCpus,Memory,TotalSlotMemory,CasaHealthy,"
        "CasaHealthReason,AccountingGroup,HasDocker,DockerOfflineReason,CgroupEnforced",
    ],
    "schedds": [["-schedd"], "Machine,Name,RecentDaemonCoreDutyCycle,MyAddress,CondorVersion"],
    "negotiators": [
        ["-negotiator"],
        "Machine,LastNegotiationCycleDuration0,LastNegotiationCycleEnd0,LastNegotiationCycleMatches0",
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
        owed += [{"role": path.stem, **item} for item in receipt.get("owed", [])]
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


def pool():
    """Return the pool's own ads, or the fault."""
    answer = {}
    for name, (kind, attributes) in POOL.items():
        status, output, fault = run("condor_status", *kind, "-json", "-attributes", attributes)
        if status:
            return {"fault": fault.splitlines()[0] if fault else "condor_status ended with " + str(status)}
        answer[name] = json.loads(output or "[]")
    return answer


def queue():
    """Return how many jobs of which group are in which state, and why jobs are held."""
    status, output, fault = run("condor_q", "-allusers", "-af:t", "AccountingGroup", "Owner", "JobStatus")
    if status:
        return {"fault": fault.splitlines()[0] if fault else "condor_q ended with " + str(status)}
    jobs = collections.Counter()
    for line in output.splitlines():
        group, owner, state = line.split("\t")
        # A job's group ends with its person.
        group = group[: -len(owner) - 1] if group.endswith("." + owner) else ""
        jobs[(group, JOB_STATES.get(state, "other"))] += 1
    _, held, _ = run("condor_q", "-allusers", "-constraint", "JobStatus == 5", "-af", "HoldReason")
    reasons = collections.Counter(held.splitlines()).most_common(3)
    return {
        "jobs": [
            {"group": group, "state": state, "jobs": number}
            for (group, state), number in sorted(jobs.items())
        ],
        "held": [{"reason": reason, "jobs": number} for reason, number in reasons],
    }


answer = {"host": host()}
if answer["host"]["installed"]:
    answer["tokens"] = tokens()
    answer["owed"], answer["drift"] = receipts()
    if "pool" in sys.argv[1:]:
        answer["pool"] = pool()
    if "queue" in sys.argv[1:]:
        answer["queue"] = queue()
print("casa-install answer 1")
print(json.dumps(answer))
