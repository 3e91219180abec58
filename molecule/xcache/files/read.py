"""Read files through a cache at the same time and check what arrives.

Arguments: URL of the cache, seconds for each file, path=SHA256... The token, if any, is on standard input.
Prints
one JSON object: path -> seconds, whether the checksum is right, and the client's error. `xN` before a path
reads it with N clients.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

url, seconds, *wanted = sys.argv[1:]
token = sys.stdin.read().strip()
environment = dict(os.environ)
# A client that is turned away while XRootD starts again waits for as long as this until it tries anew; 120
# by itself.
environment["XRD_CONNECTIONWINDOW"] = "10"


def read(path, digest):
    """Read one file with a client of its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        mine = dict(environment)
        if token:
            kept = pathlib.Path(home, "token")
            kept.touch(mode=0o600)
            kept.write_text(token)
            mine["BEARER_TOKEN_FILE"] = str(kept)
        begun = time.monotonic()
        out = pathlib.Path(home, "out")
        done = subprocess.run(
            ["xrdcp", "--nopbar", url + "/" + path, str(out)],
            env=mine,
            capture_output=True,
            text=True,
            timeout=float(seconds),
            check=False,
            # SIGPIPE stays ignored, as it is in every Python program that reads: a server that dies while TLS
            # is being set up otherwise ends xrdcp by that signal (seen with XRootD 5.8.1).
            restore_signals=False,
        )
        took = time.monotonic() - begun
        right = False
        if done.returncode == 0:
            with out.open("rb") as stream:
                right = hashlib.file_digest(stream, "sha256").hexdigest() == digest
        said = done.stderr.strip().splitlines()
        return {
            "path": path,
            "seconds": round(took, 2),
            "right": right,
            "error": said[-1] if said else "",
            "status": done.returncode,
        }


jobs = []
for word in wanted:
    path, _, digest = word.partition("=")
    times = 1
    if path.startswith("x"):
        times, path = int(path[1:].partition("/")[0]), "/" + path.partition("/")[2]
    jobs += [(path, digest)] * times
with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
    print(json.dumps(list(pool.map(lambda job: read(*job), jobs))))
