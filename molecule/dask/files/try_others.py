"""As a user, with somebody else's cluster on standard input: try to use it. Ends with 0 if everything was refused."""

import json
import subprocess
import sys
from pathlib import Path

import dask
from dask.distributed import Client
from distributed import Security

other = json.load(sys.stdin)
for address in (other["scheduler"], *other["workers"]):
    plain = address.replace("tls://", "tcp://")
    ways = {
        "with one's own certificate": (address, Security()),
        "without TLS": (plain, Security(require_encryption=False)),
    }
    for way, (where, security) in ways.items():
        try:
            Client(where, security=security, timeout=8).close()
        except (OSError, TimeoutError) as error:
            print(f"refused {way}: {address}: {type(error).__name__}: {str(error.__cause__ or error)[:120]}")
        else:
            raise SystemExit(f"{address} let us in {way}")

# A certificate of one's own authority is all that a stranger has; without any the handshake must fail too.
names = ["openssl", "s_client", "-brief", "-connect", other["scheduler"].removeprefix("tls://")]
said = subprocess.run(names, input="x" * 100, capture_output=True, text=True, timeout=60, check=False)
assert "certificate required" in said.stderr or "alert handshake failure" in said.stderr, said.stderr
print("refused without a certificate")

for job in other["jobs"]:
    said = subprocess.run(["condor_rm", job], capture_output=True, text=True, check=False)  # noqa: S607
    assert said.returncode != 0 and "ermission denied" in said.stdout + said.stderr, said
print("refused to remove jobs")
for file in other["files"]:
    if "casa-session" in file:
        try:
            Path(file).read_bytes()
        except PermissionError:
            continue
        raise SystemExit(f"{file} can be read")
print("refused to read files")
assert dask.config.get("distributed.comm.require-encryption") is True
