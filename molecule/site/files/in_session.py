"""As root: run a program in somebody's session, as a terminal of JupyterLab would.

Arguments: account, program, its arguments. It gets the session's environment, cgroup with its limits, and the
account's rights. The session's view of the file system is left out: a container's root may not enter it.
"""

import os
import pwd
import subprocess
import sys
from pathlib import Path

name, *words = sys.argv[1:]
account = pwd.getpwnam(name)
unit = f"casa-session-{name}.service"
ask = ["/usr/bin/systemctl", "show", "-p", "MainPID", "-p", "ControlGroup", unit]
shown = subprocess.run(ask, check=True, capture_output=True, text=True)
known = dict(line.split("=", 1) for line in shown.stdout.splitlines())
main = known["MainPID"]
if main == "0":
    sys.exit(f"{unit} does not run")
given = Path(f"/proc/{main}/environ").read_bytes().decode().split("\0")
environment = dict(entry.split("=", 1) for entry in given if entry)
Path(f"/sys/fs/cgroup{known['ControlGroup']}/cgroup.procs").write_text(str(os.getpid()))
os.initgroups(name, account.pw_gid)
os.setgid(account.pw_gid)
os.setuid(account.pw_uid)
os.chdir(account.pw_dir)
os.execvpe(words[0], words, environment)  # noqa: S606 - becomes the program
