"""Try on a host what its HTCondor lets it do and what it refuses. Runs as root; changes nothing there.

Arguments: `execute`, `access`, `manager` for what the host is. Prints one JSON object, check -> what was
found, for `casa_install.health.authority_checks` to judge. Tokens that it makes for a try are in a directory
of its own and are gone when it ends.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LEVELS = ["READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "DAEMON", "ADMINISTRATOR"]
SECURITY = ["SEC_DEFAULT_AUTHENTICATION", "SEC_DEFAULT_ENCRYPTION", "SEC_DEFAULT_INTEGRITY"]


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
    """Return what the master says of its daemons, once all of these are alive or after half a minute."""
    wanted = " && ".join(["IsReady"] + [daemon + ' =?= "Alive"' for daemon in daemons])
    # It ends with 0 though the condition was never met, so only what it prints counts.
    _, output, _ = run("condor_who", "-wait:30", wanted)
    return dict(re.findall(r'^(\w+) = "?(\w+)"?$', output, re.MULTILINE))


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


def main(arguments):
    """Print what was found."""
    keys = [path.name for path in pathlib.Path("/etc/condor/passwords.d").glob("*")]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        found = {"stranger": stranger(directory)}
        daemons, talks = ["MASTER"], "master"
        if "manager" in arguments:
            daemons, talks = [*daemons, "COLLECTOR", "NEGOTIATOR"], "collector"
        if "access" in arguments:
            daemons, talks = [*daemons, "SCHEDD"], "schedd"
            found["forged"] = {name: signed_here(directory, name) for name in ("condor", "root")}
            found["user_token"] = signed_here(directory, "casa-verify")
        if "execute" in arguments:
            daemons, talks = [*daemons, "STARTD"], "startd"
        found["ready"] = ready(daemons)
        found["security"] = security(talks)
        # One that holds the pool's key signs for itself whatever it likes.
        if not set(keys) - {"AP"}:
            found["authority"] = authority("collector", SEC_CLIENT_AUTHENTICATION_METHODS="IDTOKENS")
    print("casa-install answer 1")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
