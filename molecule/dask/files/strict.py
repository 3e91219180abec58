"""Have a server and a client accept each other with a session's files, under the strictest rules of Python's `ssl`."""

import ssl
import sys
from pathlib import Path

folder = Path(sys.argv[1])


def context(purpose: ssl.Purpose) -> ssl.SSLContext:
    """Verify the other side strictly, names too."""
    made = ssl.create_default_context(purpose, cafile=folder / "ca.pem")
    made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    return made


pipes = [ssl.MemoryBIO(), ssl.MemoryBIO()]
client = context(ssl.Purpose.SERVER_AUTH).wrap_bio(pipes[0], pipes[1], server_hostname="localhost")
server = context(ssl.Purpose.CLIENT_AUTH).wrap_bio(pipes[1], pipes[0], server_side=True)
done = set()
for _ in range(10):
    for side in (client, server):
        try:
            side.do_handshake()
            done.add(side)
        except ssl.SSLWantReadError:
            pass
assert done == {client, server}
print("strict verification takes the certificates:", client.version())
