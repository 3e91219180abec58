#!/usr/bin/python3
"""Watch this host's cache: read through it within a time limit, and keep count of its disks and of its hits.

Runs each minute as the account of XRootD, under the system's own Python (3.9 or newer) with its standard
library only. Writes one JSON file; a cache that hangs makes it say so, not hang too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BYTES = 4096


def cached_file(namespace: Path, exports: list[str]) -> str:
    """A file that the cache has something of: the first that is found; empty where it has none yet."""
    for export in exports:
        top = namespace / export.strip("/")
        for directory, folders, files in os.walk(top):
            random.shuffle(folders)
            for name in files:
                if name.endswith(".cinfo") and name[: -len(".cinfo")] in files:
                    path = Path(directory, name[: -len(".cinfo")])
                    if path.exists() and path.stat().st_size >= BYTES:
                        return "/" + str(path.relative_to(namespace))
    return ""


def probe(url: str, path: str, seconds: int, environment: dict[str, str]) -> dict[str, Any]:
    """Open a file through the cache and read its first bytes."""
    begun = time.monotonic()
    got, fault = 0, ""
    # The file may be long: what is there beyond its first bytes is not waited for.
    with subprocess.Popen(
        ["xrdfs", url, "cat", path],  # noqa: S607  # where it is differs between systems
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as reader:
        handle, errors = reader.stdout.fileno(), reader.stderr
        while got < BYTES and not fault:
            left = begun + seconds - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                fault = f"nothing was read within {seconds} s"
            elif part := os.read(handle, BYTES):
                got += len(part)
            else:
                said = errors.read().decode("utf-8", "replace").strip().splitlines()
                fault = said[-1] if said else "the file ended before its first bytes"
        reader.kill()
    return {"path": path, "seconds": round(time.monotonic() - begun, 3), "fault": fault}


def spaces(paths: list[str]) -> list[dict[str, Any]]:
    """Bytes and inodes of the file systems of the cache."""
    found = []
    for path in paths:
        use = os.statvfs(path)
        found.append(
            {
                "path": path,
                "bytes": use.f_blocks * use.f_frsize,
                "bytes_free": use.f_bavail * use.f_frsize,
                "inodes": use.f_files,
                "inodes_free": use.f_favail,
            }
        )
    return found


def descriptors() -> dict[str, int]:
    """Open files of XRootD and how many it may have; empty where it does not run."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if not words[0].endswith(b"/xrootd") or b"casa" not in words:
                continue
            limit = next(
                line.split()[3]
                for line in (entry / "limits").read_text().splitlines()
                if line.startswith("Max open files")
            )
            return {"open": len(list((entry / "fd").iterdir())), "limit": int(limit)}
        except (OSError, StopIteration, ValueError):
            continue
    return {}


def counted(snapshot: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Add XRootD's own byte counters of the last interval to those before.

    XRootD writes `pfc-stats/DirStat.json` each interval and starts to count anew; the time of that start
    tells intervals apart.
    """
    total = {
        key: int(before.get(key, 0)) for key in ("hit", "missed", "bypassed", "written", "checksum_errors")
    }
    since = before.get("since") or int(time.time())
    last = before.get("interval", 0)
    try:
        said = json.loads(snapshot.read_text(encoding="utf-8"))
        began = int(said["m_sshot_stats_reset_time"])
        stats = said["m_dir_states"][0]["m_stats"]
    except (OSError, KeyError, IndexError, ValueError):
        return {**total, "since": since, "interval": last}
    if began != last:
        total["hit"] += int(stats["m_BytesHit"])
        total["missed"] += int(stats["m_BytesMissed"])
        total["bypassed"] += int(stats["m_BytesBypassed"])
        total["written"] += int(stats["m_BytesWritten"])
        total["checksum_errors"] += int(stats.get("m_NCksumErrors", 0))
    return {**total, "since": since, "interval": began}


def main() -> int:
    """Return the process status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--namespace", type=Path, required=True)
    parser.add_argument("--export", action="append", default=[])
    parser.add_argument("--space", action="append", default=[])
    parser.add_argument("--path", default="", help="the file to read, instead of any that is cached")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--key", default="", help="the probe's own key; empty for an anonymous cache")
    parser.add_argument("--ca", default="")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        before = json.loads(options.out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    environment = {"XRD_CONNECTIONRETRY": "1", "XRD_REQUESTTIMEOUT": str(options.seconds)}
    if options.key:
        environment |= {"XrdSecPROTOCOL": "sss", "XrdSecSSSKT": options.key}
    if options.ca:
        environment["X509_CERT_FILE"] = options.ca
    path = options.path or cached_file(options.namespace, options.export)
    answer = {
        "time": int(time.time()),
        "probe": probe(options.url, path, options.seconds, environment) if path else {},
        "spaces": spaces(options.space),
        "descriptors": descriptors(),
        "counted": counted(options.namespace / "pfc-stats" / "DirStat.json", before.get("counted", {})),
    }
    beside = options.out.with_name(options.out.name + ".new")
    beside.write_text(json.dumps(answer) + "\n", encoding="utf-8")
    beside.replace(options.out)
    fault = answer["probe"].get("fault", "")
    if fault:
        print(f"the cache cannot be read: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
