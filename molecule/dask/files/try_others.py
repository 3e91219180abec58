"""As a user, with somebody else's cluster on standard input: try to use it. Ends with 0 if everything was refused."""

import json
import os
import socket
import ssl
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

# Somebody who does not care whom they talk to: the other side must refuse.
tls = os.environ["DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT"], os.environ["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"]
for address in (other["scheduler"], *other["workers"]):
    host, port = address.removeprefix("tls://").split(":")
    for files, alert in ((tls, "UNKNOWN_CA"), (None, "CERTIFICATE_REQUIRED")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if files:
            context.load_cert_chain(*files)
        with socket.create_connection((host, int(port)), timeout=20) as plain, context.wrap_socket(plain) as stream:
            try:
                got = stream.recv(1)
            except ssl.SSLError as error:
                assert alert in str(error), error
                print(f"{address} refused: {alert}")
            else:
                raise SystemExit(f"{address} answered {got!r}")

for job in other["jobs"]:
    said = subprocess.run(["condor_rm", f"{job}.0"], capture_output=True, text=True, check=False)  # noqa: S607
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
