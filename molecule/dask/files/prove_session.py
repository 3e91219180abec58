"""As root: what the hub does for a session, with a token. Arguments: the folder of these files, the environment's Python."""

import hashlib
import os
import pwd
import secrets
import subprocess
import sys
from pathlib import Path

FILES, PYTHON = sys.argv[1:3]
PROGRAM = "/usr/local/libexec/casa-session-credentials"
ada = pwd.getpwnam("ada")
token = secrets.token_urlsafe(600)


def call(*words: str, text: str = "", as_user: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program."""
    argv = [PROGRAM, *words]
    if as_user:
        argv = ["runuser", "-u", as_user, "--", *argv]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False)


for words in (["make", "ada"], ["remove", "ada"], ["environment", "ada"]):
    said = call(*words, as_user="emmy")
    assert said.returncode == 1 and "only root does this" in said.stderr, said
for words, text, why in (
    (["make", "root"], "", "root has no session"),
    (["make", "nobody-at-all"], "", "no such account"),
    (["make", "ada"], "two\nlines", "is no token"),
    (["make", "../ada"], "", "no such account"),
):
    said = call(*words, text=text)
    assert said.returncode == 1 and why in said.stderr, said
assert not Path("/run/casa-sessions/ada").exists()

said = call("make", "ada", text=token + "\n")
assert (said.returncode, said.stdout, said.stderr) == (0, "", ""), "make printed something"
session = Path("/run/casa-sessions/ada")
for path in (session, session / "dask"):
    seen = path.stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o7777) == (ada.pw_uid, ada.pw_gid, 0o700), path
for name in ("bearer_token", "dask/ca.pem", "dask/cert.pem", "dask/key.pem"):
    seen = (session / name).stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o7777) == (ada.pw_uid, ada.pw_gid, 0o600), name
assert (session / "bearer_token").read_text().strip() == token
checked = subprocess.run(
    [PYTHON, f"{FILES}/strict.py", session / "dask"], capture_output=True, text=True, check=False
)
assert checked.returncode == 0, checked.stderr
print(checked.stdout.strip())

lines = call("environment", "ada").stdout.splitlines()
assert token not in "".join(lines)
site = Path("/etc/casa-install/environment.d/dask.env").read_text().splitlines()
told = dict(line.split("=", 1) for line in lines + site)
first = (session / "dask/ca.pem").read_bytes()
worker = subprocess.run(
    ["runuser", "-u", "ada", "--", "env", "-i", "HOME=/home/ada", "USER=ada", "PATH=/usr/bin:/bin",
     "JUPYTERHUB_SERVICE_PREFIX=/user/ada/", *(f"{name}={value}" for name, value in told.items()),
     PYTHON, f"{FILES}/token_on_worker.py"],
    capture_output=True, text=True, cwd="/home/ada", check=False,
)  # fmt: skip
assert worker.returncode == 0, worker.stderr
digest, mode, link = worker.stdout.split()
assert digest == hashlib.sha256(token.encode()).hexdigest(), "the worker has another token"
assert mode == "0o600", mode
assert link.startswith("/user/ada/proxy/") and link.endswith("/status"), link
print("a worker of a session has its token, and the dashboard is behind the hub:", link)
said = subprocess.run(["grep", "-rlF", token, "/home/ada", "/var/log/condor"], capture_output=True, text=True, check=False)
assert not said.stdout, said.stdout

# A new session has new files; after it nothing is left, whatever the user put there.
assert call("make", "ada").returncode == 0
assert (session / "dask/ca.pem").read_bytes() != first
os.symlink("/etc/passwd", session / "link")
(session / "dask" / "more").mkdir()
(session / "dask" / "target").symlink_to("/etc")
assert call("remove", "ada").returncode == 0
assert not session.exists()
assert Path("/etc/passwd").exists() and Path("/etc/hostname").exists()
assert call("remove", "ada").returncode == 0
print("nothing is left after the session")

# What is in the way is not followed.
session.symlink_to("/home/emmy")
said = call("make", "ada")
assert said.returncode == 1 and "not a directory that only ada can use" in said.stderr, said
session.unlink()
