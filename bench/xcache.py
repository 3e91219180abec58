"""How fast a warm cache serves many readers, against the same readers on its origin and the machine's limits.

The readers are on the other cache of a running lab, one process each; each reads one file of 32 MB to
/dev/null. Rounds are interleaved, so that what else the computer does hurts all alike. The machine's
limits are
a plain TCP connection between two machines, and reading the same files where they are. The computer is one:
cache, origin and readers share its cores, which hosts of a site do not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from casa_install.lab.access import Access

READERS = (1, 8, 32)
ROUNDS = 5
PARTS = 8
FILE = "/store/lab/part-{}.bin"

READ = """
import json, os, subprocess, sys, tempfile, time
url, readers, parts, *rest = sys.argv[1:]
token = sys.stdin.read().strip()
environment = {**os.environ, "X509_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
with tempfile.NamedTemporaryFile("w", suffix=".token") as kept:
    if token:
        kept.write(token)
        kept.flush()
        environment["BEARER_TOKEN_FILE"] = kept.name
    begun = time.monotonic()
    running = [
        subprocess.Popen(
            ["xrdcp", "-f", "--nopbar", url + "//store/lab/part-%d.bin" % (n % int(parts)), "/dev/null"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for n in range(int(readers))
    ]
    faults = [process.communicate()[1] for process in running]
    took = time.monotonic() - begun
    if any(process.returncode for process in running):
        sys.exit("".join(faults)[-500:])
    begun = time.monotonic()
    first = subprocess.run(
        ["xrdfs", url, "cat", "/store/lab/small.root"], env=environment, capture_output=True, check=True
    )
    print(json.dumps({"seconds": took, "first": time.monotonic() - begun}))
"""
LISTEN = """
import socket
server = socket.create_server(("", 5999))
print("listening", flush=True)
peer, _ = server.accept()
block = bytes(1 << 20)
for _ in range(1024):
    peer.sendall(block)
peer.close()
"""
RECEIVE = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], 5999), 10)
room, got, begun = bytearray(1 << 20), 0, time.monotonic()
while n := peer.recv_into(room):
    got += n
print(got / (time.monotonic() - begun) / 1e6)
"""
DISK = """
import sys, time
got, begun = 0, time.monotonic()
for name in sys.argv[1:]:
    with open(name, "rb") as stream:
        while part := stream.read(1 << 20):
            got += len(part)
print(got / (time.monotonic() - begun) / 1e6)
"""


class Machine:
    """A machine of the lab, reached over SSH."""

    def __init__(self, access: Access, name: str) -> None:
        self.name = name
        self._argv = ["ssh", "-F", str(access.ssh_config), name]

    def run(self, *words: str, stdin: str = "") -> str:
        """Return what a command prints.

        Raises:
            SystemExit: It failed; its own words are in the message.
        """
        line = " ".join(_quoted(word) for word in words)
        done = subprocess.run([*self._argv, line], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.name}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and wait for its first line."""
        line = " ".join(_quoted(word) for word in words)
        process = subprocess.Popen([*self._argv, line], stdout=subprocess.PIPE, text=True)
        if process.stdout is not None:
            process.stdout.readline()
        return process


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def main() -> None:
    """Measure and print rates in MB/s, and ratios of each round to the origin's in the same round."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--name", default="molecule-xcache", help="the lab")
    asked.add_argument("--domain", default="casa.test")
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    given = asked.parse_args()
    access = Access(given.name)
    origin, first, second = (Machine(access, name) for name in ("origin", "cache1", "cache2"))
    token = origin.run("lab-token", "site")
    # What is compared speaks alike: with tokens and TLS on both sides, and plain on both sides.
    ends = given.domain
    kinds = {
        "TLS and tokens": (second, f"root://cache1.{ends}", f"roots://origin.{ends}:1095", token),
        "plain": (first, f"root://cache2.{ends}", f"root://origin.{ends}:1094", ""),
    }
    size = int(origin.run("stat", "-c", "%s", "/srv/origin" + FILE.format(0)))
    _limits(origin, second, f"origin.{ends}")
    for kind, (reader, cache, source, secret) in kinds.items():
        measure(reader, cache, PARTS, secret)  # warms it
        measure(reader, cache, PARTS, secret)
        for readers in READERS:
            rounds = []
            for _ in range(given.rounds):
                pair = [measure(reader, url, readers, secret) for url in (source, cache)]
                rounds.append(pair)
            _show(kind, readers, size, rounds)


def measure(reader: Machine, url: str, readers: int, token: str) -> dict[str, Any]:
    """Read with many readers at once; return seconds for all, and to the first bytes of a small file."""
    out = reader.run("python3", "-c", READ, url, str(readers), str(PARTS), stdin=token)
    return dict(json.loads(out))


def _show(kind: str, readers: int, size: int, rounds: list[list[dict[str, Any]]]) -> None:
    total = readers * size / 1e6
    ratios = [source["seconds"] / cache["seconds"] for source, cache in rounds]
    rates = [statistics.median(total / found[side]["seconds"] for found in rounds) for side in (0, 1)]
    firsts = [statistics.median(found[side]["first"] for found in rounds) for side in (0, 1)]
    print(
        f"{kind}, {readers:2} readers: origin {rates[0]:6.0f} MB/s, cache {rates[1]:6.0f} MB/s, "
        f"cache/origin {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); "
        f"a small file {firsts[0] * 1000:.0f} ms, {firsts[1] * 1000:.0f} ms",
        flush=True,
    )


def _limits(origin: Machine, reader: Machine, host: str) -> None:
    server = origin.start("python3", "-c", LISTEN)
    rate = float(reader.run("python3", "-c", RECEIVE, host))
    server.wait()
    print(f"one plain TCP connection between the same machines: {rate:.0f} MB/s")
    files = [f"/srv/origin{FILE.format(n)}" for n in range(PARTS)]
    rate = float(origin.run("python3", "-c", DISK, *files))
    print(f"reading the same files where they are: {rate:.0f} MB/s")


if __name__ == "__main__":
    main()
