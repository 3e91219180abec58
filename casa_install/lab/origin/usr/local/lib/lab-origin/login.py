"""The OpenID provider of the lab, over HTTPS. Runs on the origin beside the token issuers.

Usage: ``login.py DIRECTORY``
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.parse
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pages
from issuer import LONGEST_BODY, Server
from provider import Provider
from replies import Asked, Reply, as_json

HEADERS = {
    "Cache-Control": "no-store",
    # No `form-action`: browsers would apply it to the way back to the client as well.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=86400",
    "X-Content-Type-Options": "nosniff",
}


class Handler(BaseHTTPRequestHandler):
    """HTTP face of the provider."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    provider: Provider

    def do_GET(self) -> None:
        """Documents, forms and what needs no body."""
        path, _, query = self.path.partition("?")
        asked = self._asked(query)
        if asked is None:
            reply = as_json(400, {"error": "invalid_request"})
        elif path == "/.well-known/openid-configuration":
            reply = as_json(200, self.provider.configuration())
        elif path == "/jwks":
            keys = [self.provider.signer.public_jwk, self.provider.storage.public_jwk]
            reply = as_json(200, {"keys": keys})
        elif path == "/authorize":
            reply = self.provider.authorize(asked)
        elif path == "/userinfo":
            reply = self.provider.userinfo(asked)
        elif path == "/logout":
            reply = self.provider.logout(asked, posted=False)
        else:
            reply = Reply(404, pages.notice("Not found", "There is no such page here."))
        self._send(reply)

    def do_POST(self) -> None:
        """Filled-in forms and requests of clients."""
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self._send(as_json(413, {"error": "invalid_request"}))
            return
        asked = self._asked(self.rfile.read(int(length)).decode("utf-8", "replace"))
        if asked is None:
            reply = as_json(400, {"error": "invalid_request"})
        elif self.path == "/authorize":
            reply = self.provider.authorize(asked)
        elif self.path == "/login":
            reply = self.provider.login(asked)
        elif self.path == "/token":
            reply = self.provider.token(asked)
        elif self.path == "/userinfo":
            reply = self.provider.userinfo(asked)
        elif self.path == "/logout":
            reply = self.provider.logout(asked, posted=True)
        else:
            reply = as_json(404, {"error": "not_found"})
        self._send(reply)

    def _asked(self, parameters: str) -> Asked | None:
        """The request; nothing when a parameter comes twice (RFC 6749, section 3.1)."""
        pairs = urllib.parse.parse_qsl(parameters, keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            return None
        try:
            cookies = SimpleCookie(self.headers.get("Cookie") or "")
        except CookieError:
            cookies = SimpleCookie()
        return Asked(
            parameters=dict(pairs),
            cookies={name: morsel.value for name, morsel in cookies.items()},
            authorization=self.headers.get("Authorization") or "",
            address=str(self.client_address[0]),
        )

    def _send(self, reply: Reply) -> None:
        data = reply.body.encode()
        self.send_response(reply.status)
        for name, value in [*HEADERS.items(), *reply.headers]:
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - the names are the base class's
        """What was asked, without its parameters: codes and hints are among them."""
        asked = getattr(self, "path", "").partition("?")[0]
        self.log_message("%s %s %s", getattr(self, "command", ""), json.dumps(asked), str(code))


def main() -> None:
    """Answer until stopped."""
    directory = Path(sys.argv[1])
    provider = Provider(directory)
    port = urllib.parse.urlsplit(provider.url).port or 443
    server = Server(("", port), type("Bound", (Handler,), {"provider": provider}))
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(directory.parent / "tls/cert.pem", directory.parent / "tls/key.pem")
    server.serve_forever()


if __name__ == "__main__":
    main()
