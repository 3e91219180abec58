"""Says when the certificates of a k3s node end, and whether its k3s has a command that renews them.

Arguments: k3s's program, its data directory. Prints one JSON object: ends (file: seconds since 1970), now,
rotates. Reads only. For Python 3.9, standard library only.
"""

from __future__ import annotations

import base64
import calendar
import json
import subprocess
import sys
import time
from pathlib import Path


def parts(der: bytes) -> list:
    """Return the elements of a DER sequence's content: tag and content (X.690, 8.1)."""
    found = []
    while der:
        tag, size, at = der[0], der[1], 2
        if size & 0x80:
            at += size & 0x7F
            size = int.from_bytes(der[2:at], "big")
        found.append((tag, der[at : at + size]))
        der = der[at + size :]
    return found


def end_of(path: Path) -> int:
    """Return when a file's first certificate ends (RFC 5280, 4.1)."""
    text = path.read_text(encoding="ascii")
    first = text[text.index("-----BEGIN CERT") : text.index("-----END CERT")]
    whole = parts(base64.b64decode("".join(first.splitlines()[1:])))[0][1]
    fields = [content for tag, content in parts(parts(whole)[0][1]) if tag != 0xA0]
    tag, end = parts(fields[3])[1]
    return calendar.timegm(time.strptime(end.decode(), "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ"))


def ends(data: Path) -> dict:
    """Return k3s's certificates without those of authorities, which last ten years."""
    found = {}
    for directory in ("server/tls", "server/tls/etcd", "agent"):
        for path in sorted((data / directory).glob("*.crt")):
            if "-ca." not in path.name:
                found[str(path.relative_to(data))] = end_of(path)
    return found


def rotates(program: str) -> bool:
    """Ask the program whether it has `certificate rotate`; 1.20 and 1.21 have not."""
    done = subprocess.run([program, "certificate", "--help"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "rotate" in done.stdout.split()


def main() -> int:
    """Print it."""
    program, data = sys.argv[1], Path(sys.argv[2])
    answer = {"ends": ends(data), "now": int(time.time()), "rotates": rotates(program)}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
