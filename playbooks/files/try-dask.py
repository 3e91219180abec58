"""Start a Dask cluster of two workers as a user would, and try to get in as a stranger.

Arguments: `user=NAME` for the account whose cluster it is, `seconds=N` for how long workers may take.
Prints one JSON object, `dask_tried`, for `casa_install.health.dask_checks` to judge. As root on an access
point; the cluster ends with it.
"""

import json
import pathlib
import pwd
import subprocess
import sys

CREDENTIALS = "/usr/local/libexec/casa-session-credentials"
PYTHON = pathlib.Path("/opt/casa/env/current/bin/python")
PROGRAM = """
import json, os, socket, ssl, sys, time
from dask.distributed import Client
from dask_jobqueue import HTCondorCluster

seconds, begin, found = float(sys.argv[1]), time.monotonic(), {}
try:
    with HTCondorCluster(n_workers=2) as cluster, Client(cluster) as client:
        found["scheduler"] = cluster.scheduler_address
        host, port = cluster.scheduler_address.split("://")[1].rsplit(":", 1)
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with socket.create_connection((host, int(port)), timeout=20) as plain:
                with context.wrap_socket(plain) as stream:
                    found["stranger"] = "it answered " + repr(stream.recv(1))
        except ssl.SSLError as fault:
            found["stranger"] = str(fault)
        client.wait_for_workers(1, timeout=seconds)
        found["first"] = round(time.monotonic() - begin, 1)
        client.wait_for_workers(2, timeout=seconds)
        found["all"] = round(time.monotonic() - begin, 1)
        found["sum"] = client.submit(sum, range(1000)).result(timeout=seconds)
        found["uids"] = sorted(set(client.run(os.getuid).values()))
        found["hosts"] = sorted(client.run(lambda: os.uname().nodename).values())
        found["workers"] = sorted(client.scheduler_info(n_workers=-1)["workers"])
        try:
            client.get_versions(check=True)
            found["versions"] = ""
        except ValueError as fault:
            found["versions"] = str(fault)
except Exception as fault:
    found["fault"] = " ".join((type(fault).__name__ + ": " + str(fault)).split())[:500]
print(json.dumps(found))
"""


def as_user(user, *words, seconds=60, **environment):
    """Run something as the user, with nothing of root's environment, and return how it ended."""
    who = pwd.getpwnam(user)
    own = {"HOME": who.pw_dir, "USER": user, "LOGNAME": user, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    settings = [name + "=" + value for name, value in {**own, **environment}.items()]
    return subprocess.run(
        ["runuser", "-u", user, "--", "env", "-i", *settings, *words],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=who.pw_dir,
    )


def free_cores():
    """Return how many cores the pool has for a job now."""
    asked = ["condor_status", "-constraint", 'PartitionableSlot && State == "Unclaimed" && CasaDask =?= True']
    done = subprocess.run([*asked, "-af", "Cpus"], capture_output=True, text=True, check=False)
    return sum(int(cores) for cores in done.stdout.split() if cores.isdigit())


def tried(user, seconds):
    """Return what a cluster of the user did."""
    found = {
        "user": user,
        "uid": pwd.getpwnam(user).pw_uid,
        "free": free_cores(),
        "python": str(PYTHON.resolve()),
    }
    made = as_user(user, CREDENTIALS, "make")
    if made.returncode != 0:
        return {**found, "fault": made.stderr.strip()}
    try:
        lines = as_user(user, CREDENTIALS, "environment").stdout.splitlines()
        told = dict(line.split("=", 1) for line in lines)
        # As in a session: the version's own path, which stays the same while the link moves on.
        python = str(PYTHON.parent.parent.resolve() / "bin/python")
        words = [python, "-c", PROGRAM, str(seconds)]
        done = as_user(user, *words, seconds=seconds * 3 + 120, **told)
    except subprocess.TimeoutExpired:
        return {**found, "fault": "it did not end"}
    finally:
        as_user(user, CREDENTIALS, "remove")
    if done.returncode != 0:
        return {**found, "fault": (done.stderr.strip().splitlines() or ["it said nothing"])[-1]}
    return {**found, **json.loads(done.stdout.splitlines()[-1])}


def main():
    """Print what was found."""
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    print("casa-install answer 1")
    print(json.dumps({"dask_tried": tried(given["user"], int(given.get("seconds", "180")))}))


main()
