"""As root: two users at once, and what each can do to the other's cluster."""

import json
import subprocess
import sys

FILES, PYTHON = sys.argv[1:3]
USERS = ("ada", "emmy")


def login(user: str, script: str) -> subprocess.Popen[str]:
    """Start a script in a login of a user."""
    return subprocess.Popen(
        ["runuser", "-l", user, "-c", f"exec {PYTHON} {FILES}/{script}"],  # noqa: S607
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


holders = {user: login(user, "hold_cluster.py") for user in USERS}
try:
    said = {user: holder.stdout.readline() for user, holder in holders.items() if holder.stdout}
    print({user: json.loads(line)["hosts"] for user, line in said.items()}, "are the hosts of workers of both at once")
    shares = subprocess.run(
        ["condor_userprio", "-all", "-af", "Name", "ResourcesUsed"],  # noqa: S607
        capture_output=True, text=True, check=False,
    )
    print("shares:", shares.stdout.split("\n"))
    for user, other in (USERS, USERS[::-1]):
        attempt = login(user, "try_others.py")
        print(f"{user} tries {other}'s:", attempt.communicate(said[other], timeout=300)[0])
        assert attempt.returncode == 0, f"{user} could use what is {other}'s"
    for user, holder in holders.items():
        assert holder.communicate("", timeout=120)[0].strip() == "closed", user
        assert holder.returncode == 0, user
finally:
    for holder in holders.values():
        if holder.poll() is None:
            holder.kill()
