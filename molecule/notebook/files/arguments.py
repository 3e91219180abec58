"""Writes down what processes are called with, for two minutes: their arguments are readable by every user."""

import glob
import time

seen = set()
end = time.monotonic() + 120
with open("/run/watched-arguments", "wb") as file:
    while time.monotonic() < end:
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as process:
                    words = process.read()
            except OSError:
                continue
            if words not in seen:
                seen.add(words)
                file.write(words + b"\n")
                file.flush()
        time.sleep(0.02)
