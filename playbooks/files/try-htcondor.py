"""Try on a host what its HTCondor lets it do and what it refuses. Runs as root; submits jobs if told to.

Arguments: `execute`, `access`, `manager` for what the host is, `user=NAME` for the account that submits,
`seconds=N` for a job's time limit, `machine=NAME` for each execution point that must run a job. Prints one
JSON object: check -> what was found, for `casa_install.health.checks` to judge. Tokens that it makes for a
try are in a directory of root's own and are gone when it ends.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

LEVELS = ["READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "DAEMON", "ADMINISTRATOR"]
SECURITY = ["SEC_DEFAULT_AUTHENTICATION", "SEC_DEFAULT_ENCRYPTION", "SEC_DEFAULT_INTEGRITY"]
JOB = """\
#!/bin/sh
group=$(sed -n 's/^0:://p' /proc/self/cgroup)
limit=$(cat "/sys/fs/cgroup$group/memory.max" 2>/dev/null || echo none)
printf '%s\\n' "$(hostname -f)" "$(id -un)" "$group" "$limit"
"""
HUNGRY = """\
#!/bin/sh
head -c 400m /dev/zero | tail > /dev/null
"""
SUBMIT = """\
universe = vanilla
executable = {program}
requirements = Machine == "{machine}"
output = {machine}.out
log = {machine}.log
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
request_cpus = 1
request_memory = {memory}
request_disk = 16MB
My.CasaSelfTest = True
queue
"""


def run(*words, seconds=60, **settings):
    """Return status and both outputs of a command; settings are HTCondor's, for this command only."""
    own = {"_condor_" + name: value for name, value in settings.items()}
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as fault:
        return 127, "", str(fault)
    return done.returncode, done.stdout, done.stderr


def authority(kind, **settings):
    """Return level -> `ALLOW` or `FAIL` for what a daemon lets this host do."""
    _, output, _ = run("condor_ping", "-type", kind, "-table", *LEVELS, **settings)
    return dict(re.findall(r"^ *([A-Z_]+) .*\b(ALLOW|FAIL)\b", output, re.MULTILINE))


def ready(daemons):
    """Return whether the master says that these daemons are ready, within half a minute."""
    wanted = " && ".join(
        ["IsReady"] + [daemon + '_State =?= "Ready"' for daemon in daemons if daemon != "MASTER"]
    )
    status, output, _ = run("condor_who", "-wait:30", wanted)
    return {"ready": status == 0, "daemons": dict(re.findall(r'^(\w+) = "(\w+)"$', output, re.MULTILINE))}


def security(daemon):
    """Return what the running daemon demands of those who talk to it."""
    return {name: run("condor_config_val", "-" + daemon, name)[1].strip().upper() for name in SECURITY}


def signed_here(directory, name):
    """Return what the access point lets a token for `name` do that is signed with its own key."""
    _, domain, _ = run("condor_config_val", "UID_DOMAIN")
    tokens, keys = directory / (name + ".d"), directory / (name + ".keys")
    tokens.mkdir(mode=0o700)
    keys.mkdir(mode=0o700)
    identity = name + "@" + domain.strip()
    status, token, fault = run("condor_token_create", "-key", "AP", "-identity", identity, "-lifetime", "60")
    if status:
        return {"fault": fault.strip()}
    with open(tokens / "token", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        stream.write(token)
    return authority(
        "schedd",
        SEC_CLIENT_AUTHENTICATION_METHODS="IDTOKENS",
        SEC_TOKEN_SYSTEM_DIRECTORY=str(tokens),
        SEC_TOKEN_DIRECTORY=str(tokens),
        SEC_PASSWORD_DIRECTORY=str(keys),
    )


def stranger(directory):
    """Return what the collector lets one do who has no token and no key."""
    nothing = directory / "nothing"
    nothing.mkdir(mode=0o700)
    return authority(
        "collector",
        SEC_CLIENT_AUTHENTICATION_METHODS="IDTOKENS",
        SEC_TOKEN_SYSTEM_DIRECTORY=str(nothing),
        SEC_TOKEN_DIRECTORY=str(nothing),
        SEC_PASSWORD_DIRECTORY=str(nothing),
    )


def submitted(directory, user, machine, program, memory):
    """Submit one job for a machine; return its cluster or the fault."""
    for name, text in (("job.sh", JOB), ("hungry.sh", HUNGRY)):
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    text = SUBMIT.format(program=program, machine=machine, memory=memory)
    (directory / (machine + ".sub")).write_text(text)
    shutil.chown(str(directory), user)
    os.chdir(str(directory))
    status, output, fault = run("runuser", "-u", user, "--", "condor_submit", "-terse", machine + ".sub")
    return (output.split(".")[0], "") if status == 0 else ("", fault.strip())


def jobs(directory, user, machines, seconds):
    """Run a job on each machine; return machine -> host, user, cgroup and memory limit, or the fault."""
    found = {}
    for machine in machines:
        _, fault = submitted(directory, user, machine, "job.sh", "64MB")
        found[machine] = {"fault": fault} if fault else {}
    for machine in machines:
        if found[machine]:
            continue
        status, _, _ = run("condor_wait", "-wait", str(seconds), machine + ".log", seconds=seconds + 30)
        lines = (directory / (machine + ".out")).read_text().splitlines() if status == 0 else []
        if len(lines) == 4:
            found[machine] = {"host": lines[0], "user": lines[1], "cgroup": lines[2], "memory_max": lines[3]}
        else:
            found[machine] = {"fault": "the job has not ended after " + str(seconds) + " s"}
    return found


def over_limit(directory, user, machine, seconds):
    """Run a job that takes more memory than it asked for; return the code with which it is held, or 0."""
    cluster, fault = submitted(directory, user, machine, "hungry.sh", "64MB")
    if fault:
        return {"fault": fault}
    held, waited = "", 0
    while waited < seconds and not held.strip().isdigit():
        _, held, _ = run("condor_q", cluster, "-af", "HoldReasonCode")
        if not held.strip():
            break
        run("sleep", "2")
        waited += 2
    run("condor_rm", cluster)
    return {"code": int(held) if held.strip().isdigit() else 0}


def main(arguments):
    """Print what was found."""
    options = dict(
        word.split("=", 1) for word in arguments if "=" in word and not word.startswith("machine=")
    )
    machines = [word[len("machine=") :] for word in arguments if word.startswith("machine=")]
    keys = [path.name for path in pathlib.Path("/etc/condor/passwords.d").glob("*")]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        found = {"stranger": stranger(directory)}
        daemons = ["MASTER"]
        if "manager" in arguments:
            daemons += ["COLLECTOR", "NEGOTIATOR"]
        if "access" in arguments:
            daemons += ["SCHEDD"]
            found["forged"] = signed_here(directory, "condor")
            found["user_token"] = signed_here(directory, "casa-verify")
        if "execute" in arguments:
            daemons += ["STARTD"]
        found["ready"] = ready(daemons)
        found["security"] = security(daemons[-1].lower())
        # One that holds the pool's key signs for itself whatever it likes.
        if not set(keys) - {"AP"}:
            found["authority"] = authority("collector", SEC_CLIENT_AUTHENTICATION_METHODS="IDTOKENS")
        if machines and options.get("user"):
            directory.chmod(0o755)
            found["jobs"] = jobs(directory, options["user"], machines, int(options["seconds"]))
            limited = [name for name, job in found["jobs"].items() if job.get("memory_max", "none").isdigit()]
            if limited:
                found["over_limit"] = over_limit(directory, options["user"], limited[0], 60)
    print("casa-install answer 1")
    print(json.dumps(found))


main(sys.argv[1:])
