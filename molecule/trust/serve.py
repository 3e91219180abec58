"""A TLS server and a client that is as strict as Python 3.13.

serve.py serve DIRECTORY PORT
serve.py ask NAME ADDRESS PORT [CAFILE]    prints `ok`, or why the certificate is refused
"""

from __future__ import annotations

import socket
import ssl
import sys


def serve(directory: str, port: int) -> None:
    """Serve until stopped."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
    with socket.create_server(("", port)) as listening:
        while True:
            connection, _ = listening.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                connection.close()


def ask(name: str, address: str, port: int, cafile: str | None) -> str:
    """Why the server's certificate is refused, or `ok`."""
    context = ssl.create_default_context(cafile=cafile)
    # Python's default from 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        with (
            socket.create_connection((address, port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.send(b"x")
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return "ok"


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]))
else:
    print(ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else None))
