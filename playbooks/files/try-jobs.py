"""Run jobs on execution points and from elsewhere, to see what users would see. As root on an access point.

Arguments: `program=TEXT` for what jobs run (verify-job.sh), `user=NAME` for the account that submits,
`seconds=N` for a job's time limit, `machine=NAME` for each execution point that must run jobs, `mount=PATH`
for each file system that jobs must see, `own-tmp` where each job has a /tmp of its own, `image=NAME` for the
image of a container. Prints one JSON object, check -> what was found, for `casa_install.health.job_checks` to
judge. All its jobs are removed when it ends, and remove themselves if it is killed.
"""

import json
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

SUBMIT = """\
executable = verify-job.sh
arguments = {program} {arguments}
output = {program}-{universe}-$(machine).out
error = {program}-{universe}-$(machine).err
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
request_cpus = 1
request_memory = 64MB
request_disk = 16MB
My.CasaSelfTest = True
periodic_remove = time() - QDate > {seconds}
"""
POOL = (
    "Machine,Cpus,Memory,State,Draining,CasaHealthy,CasaHealthReason,HasDocker,HasSingularity,TotalSlotGPUs"
)


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


def said(fault):
    """Return the lines of a fault as one."""
    return " ".join(fault.replace("ERROR:", "").split())


def pairs(text):
    """Return the `name=value` lines of an output as name -> values."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, []).append(value)
    return found


class Submitter:
    """Submits jobs as an account, in a directory of its own."""

    def __init__(self, directory, program, user, seconds):
        self.directory, self.user, self.seconds = directory, user, seconds
        self.clusters = {}
        (directory / "verify-job.sh").write_text(program)
        (directory / "verify-job.sh").chmod(0o755)
        directory.chmod(0o755)
        shutil.chown(str(directory), user)
        os.chdir(str(directory))

    def as_user(self, *words, **settings):
        """Run a command as that account."""
        return run("runuser", "-u", self.user, "--", *words, **settings)

    def submit(self, program, arguments, machines, *lines, options=(), universe="vanilla", **settings):
        """Submit a job for each machine; return the cluster, or nothing and the fault."""
        wanted = ['requirements = Machine == "$(machine)"'] if machines else []
        queue = ["queue machine from (", *machines, ")"] if machines else ["machine = any", "queue"]
        text = SUBMIT.format(
            program=program, arguments=" ".join(arguments), universe=universe, seconds=3 * self.seconds
        )
        path = self.directory / (program + "-" + universe + ".sub")
        path.write_text("\n".join([text, "universe = " + universe, *wanted, *lines, *queue]) + "\n")
        path.chmod(0o644)
        status, output, fault = self.as_user("condor_submit", "-terse", *options, path.name, **settings)
        if status:
            return "", said(fault) or "condor_submit ended with " + str(status)
        cluster = output.split(".")[0]
        self.clusters[cluster] = time.monotonic()
        return cluster, ""

    def wait(self, cluster, until=("3", "4", "5")):
        """Wait until each job has left the queue or is in a state; return number -> state, code, reason."""
        # Jobs wait for their turn beside each other, so the time counts from their submission.
        end = self.clusters[cluster] + self.seconds
        while True:
            _, output, _ = run(
                "condor_q", cluster, "-af:t", "ProcId", "JobStatus", "HoldReasonCode", "HoldReason"
            )
            left = {int(line.split("\t")[0]): line.split("\t")[1:] for line in output.splitlines()}
            if all(state in until for state, _, _ in left.values()) or time.monotonic() > end:
                return left
            time.sleep(0.5)

    def ended(self, cluster, program, machines, universe="vanilla"):
        """Wait for a cluster; return machine -> what its job printed, or why it has not ended."""
        left = self.wait(cluster)
        found = {}
        for number, machine in enumerate(machines):
            state, _, reason = left.get(number, ("4", "", ""))
            name = program + "-" + universe + "-" + machine
            if state == "5":
                found[machine] = {"fault": "the job is held: " + reason}
            elif state == "1":
                found[machine] = {"idle": "the job has not started within " + str(self.seconds) + " s"}
            elif state != "4":
                found[machine] = {"fault": "the job has not ended after " + str(self.seconds) + " s"}
            else:
                output = pathlib.Path(name + ".out")
                found[machine] = pairs(output.read_text(errors="replace") if output.is_file() else "")
                errors = pathlib.Path(name + ".err")
                if not found[machine]:
                    text = errors.read_text(errors="replace") if errors.is_file() else ""
                    found[machine] = {"fault": "the job printed nothing: " + said(text)[:200]}
        return found

    def remove(self):
        """Take all jobs out of the queue."""
        if self.clusters:
            run("condor_rm", *self.clusters)


def pool():
    """Return machine -> the ad of its partitionable or static slot."""
    _, output, _ = run("condor_status", "-json", "-attributes", POOL, "-constraint", 'SlotType =!= "Dynamic"')
    return {ad["Machine"]: ad for ad in json.loads(output or "[]")}


def unfit(machine, ads):
    """Return why a machine cannot be given a job, if so: as a fault, or as what makes it no fault."""
    ad = ads.get(machine)
    if ad is None:
        return {"fault": "the pool has no slot of it"}
    if ad.get("Draining") is True or ad.get("State") == "Drained":
        return {"busy": "it is being drained"}
    if ad.get("CasaHealthy") is False:
        return {"fault": "it takes no jobs: " + str(ad.get("CasaHealthReason", "no reason given"))}
    return {}


def explained(found, ads):
    """A job that waits for a machine that is full shows nothing; one that waits beside free cores does."""
    for machine, job in found.items():
        if "idle" in job:
            where = [ads[machine]] if machine in ads else list(ads.values())
            full = all(ad.get("Cpus", 0) < 1 or ad.get("Memory", 0) < 64 for ad in where)
            found[machine] = {"busy": "all cores or memory are in use"} if full else {"fault": job["idle"]}
    return found


def token(directory, user):
    """Make a user's token that lasts ten minutes, and a directory without any; return both, or the fault."""
    own, nothing = directory / "token", directory / "nothing"
    for path in (own, nothing):
        path.mkdir(mode=0o700)
        shutil.chown(str(path), user)
    _, domain, _ = run("condor_config_val", "UID_DOMAIN")
    status, text, fault = run(
        *("condor_token_create", "-key", "AP", "-identity", user + "@" + domain.strip()),
        *("-authz", "READ", "-authz", "WRITE", "-lifetime", "600"),
    )
    if status:
        return own, nothing, said(fault)
    with open(own / "user", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        stream.write(text)
    shutil.chown(str(own / "user"), user)
    return own, nothing, ""


def with_tokens_in(directory):
    """Return the settings of one who comes over the network and has only the tokens of a directory."""
    return {
        "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
        "SEC_TOKEN_DIRECTORY": str(directory),
        "SEC_TOKEN_SYSTEM_DIRECTORY": str(directory),
        "SEC_PASSWORD_DIRECTORY": os.devnull,
    }


class FromElsewhere:
    """One job that comes over the network with a user's token, is run, and whose output is fetched."""

    def __init__(self, submitter, directory):
        self.submitter = submitter
        own, nothing, self.fault = token(directory, submitter.user)
        _, output, _ = run("condor_config_val", "FULL_HOSTNAME")
        _, output, _ = run("condor_status", "-schedd", output.strip(), "-af", "MyAddress")
        self.remote = ("-addr", output.strip())
        self.settings, self.without = with_tokens_in(own), with_tokens_in(nothing)
        self.word = secrets.token_hex(8)
        self.cluster = ""
        if not self.fault:
            self.cluster, self.fault = self._submit(**self.settings)

    def _submit(self, **settings):
        return self.submitter.submit("say", [self.word], [], options=("-spool", *self.remote), **settings)

    def refused(self):
        """Return what becomes of the same job without a token."""
        cluster, fault = self._submit(**self.without)
        return {"accepted": bool(cluster), "says": fault}

    def fetched(self):
        """Return whose job it was and whether its output came back, or the fault."""
        if self.fault:
            return {"fault": self.fault}
        # Its files stay with the access point until they are fetched, and so does the job in the queue.
        left = self.submitter.wait(self.cluster, until=("3", "4"))
        states = [state for state, _, _ in left.values()]
        if "1" in states:
            return {"idle": "the job has not started within " + str(self.submitter.seconds) + " s"}
        if states != ["4"]:
            return {"fault": "the job has not ended: " + "; ".join(reason for _, _, reason in left.values())}
        _, owner, _ = run("condor_q", self.cluster, "-af", "Owner")
        status, _, fault = self.submitter.as_user(
            "condor_transfer_data", *self.remote, self.cluster, **self.settings
        )
        if status:
            return {"fault": said(fault)}
        output = pathlib.Path("say-vanilla-any.out")
        text = output.read_text(errors="replace") if output.is_file() else ""
        return {"owner": owner.strip(), "fetched": pairs(text).get("said") == [self.word]}


def watched(submitter, cluster, word):
    """Return what `condor_tail` and `condor_ssh_to_job` make of a running job."""
    left = submitter.wait(cluster, until=("2", "3", "4", "5"))
    if [state for state, _, _ in left.values()] != ["2"]:
        # Why it did not is for the other jobs to show.
        return {name: {"busy": "no job ran that could be looked at"} for name in ("tail", "ssh")}
    status, output, fault = submitter.as_user("condor_tail", cluster)
    found = {"tail": {"seen": word in output} if status == 0 else {"fault": said(fault)}}
    shell = pwd.getpwnam(submitter.user).pw_shell
    if pathlib.Path(shell).name in ("nologin", "false"):
        found["ssh"] = {"skipped": submitter.user + " has no login shell"}
        return found
    # The session is in the job's directory; the file ends the job.
    status, output, fault = submitter.as_user(
        "condor_ssh_to_job", cluster, "touch casa-verify-end; echo in=" + word
    )
    found["ssh"] = {"seen": "in=" + word in output} if status == 0 else {"fault": said(fault)}
    return found


def over_limit(submitter, machine):
    """Run a job that takes more memory than it asked for; return the code with which it is held, or 0."""
    cluster, fault = submitter.submit("hungry", ["now"], [machine])
    if fault:
        return {"machine": machine, "fault": fault}
    left = submitter.wait(cluster)
    code = next((code for state, code, _ in left.values() if state == "5"), "0")
    return {"machine": machine, "code": int(code) if code.isdigit() else 0}


def special(submitter, fit, ads, image, word):
    """Submit jobs for GPUs and containers where the pool offers them; return check -> what was submitted."""
    wanted = {
        "gpus": ("gpu", [word], "vanilla", ["request_gpus = 1"], lambda ad: ad.get("TotalSlotGPUs", 0) > 0)
    }
    if image:
        docker = image[len("docker://") :] if image.startswith("docker://") else image
        if not image.startswith("/"):
            lines = ["docker_image = " + docker]
            wanted["docker"] = ("say", [word], "docker", lines, lambda ad: ad.get("HasDocker") is True)
        lines = ["container_image = " + image]
        wanted["apptainer"] = ("say", [word], "container", lines, lambda ad: ad.get("HasSingularity") is True)
    found = {}
    for name, (program, arguments, universe, lines, offers) in wanted.items():
        machines = [machine for machine in fit if offers(ads[machine])]
        if machines:
            cluster, fault = submitter.submit(program, arguments, machines, *lines, universe=universe)
            found[name] = (cluster, fault, program, universe, machines)
    return found


def tried(submitter, directory, machines, options, mounts, words):
    """Return check -> what was found."""
    ads = pool()
    unable = {machine: why for machine in machines if (why := unfit(machine, ads))}
    fit = [machine for machine in machines if machine not in unable]
    word = secrets.token_hex(8)
    elsewhere = FromElsewhere(submitter, directory)
    nowhere = {"busy": "no execution point takes jobs"}
    found = {
        "user": submitter.user,
        "word": word,
        "mounts": mounts,
        "own_tmp": "own-tmp" in words,
        "jobs": unable,
        "tmp": {},
    }
    found.update(refused=elsewhere.refused(), spool=nowhere, tail=nowhere, ssh=nowhere)
    if not fit:
        return found
    first, fault = submitter.submit("first", [word, *mounts], fit)
    waiting, no_wait = submitter.submit("wait", [word], fit[:1])
    specials = special(submitter, fit, ads, options.get("image", ""), word)
    if fault:
        found["jobs"].update({machine: {"fault": fault} for machine in fit})
    else:
        found["jobs"].update(explained(submitter.ended(first, "first", fit), pool()))
    watch = {"tail": {"fault": no_wait}, "ssh": {"fault": no_wait}}
    found.update(watched(submitter, waiting, word) if waiting else watch)
    done = [machine for machine in fit if found["jobs"][machine].get("tmp") == ["written"]]
    if "own-tmp" in words and done:
        second, fault = submitter.submit("look", [word], done)
        looked = submitter.ended(second, "look", done) if not fault else {}
        found["tmp"] = explained(looked, pool()) or {machine: {"fault": fault} for machine in done}
    found.update(explained({"spool": elsewhere.fetched()}, pool()))
    for name, (cluster, fault, program, universe, where) in specials.items():
        jobs = submitter.ended(cluster, program, where, universe) if not fault else {}
        found[name] = explained(jobs, pool()) or {machine: {"fault": fault} for machine in where}
    limited = [name for name in fit if found["jobs"][name].get("memory_max", ["none"])[0].isdigit()]
    if limited:
        found["over_limit"] = over_limit(submitter, limited[0])
    return found


def main(arguments):
    """Print what was found."""
    named = [word.split("=", 1) for word in arguments if "=" in word]
    options = dict(named)
    machines = [value for name, value in named if name == "machine"]
    mounts = [value for name, value in named if name == "mount"]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        submitter = Submitter(directory, options["program"], options["user"], int(options["seconds"]))
        try:
            found = tried(submitter, directory, machines, options, mounts, arguments)
        finally:
            submitter.remove()
            os.chdir("/")
    print("casa-install answer 1")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
