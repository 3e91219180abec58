"""A browser as far as a hub needs one: cookies, redirects, forms, WebSockets. Python's own library only."""

from __future__ import annotations

import base64
import http.client
import http.cookiejar
import json
import os
import ssl
import struct
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from html.parser import HTMLParser

HUB = "https://nb.casa.test"
SPAWN_SECONDS = 90


@dataclass
class Page:
    """What came back at the end of all redirects."""

    status: int
    url: str
    headers: http.client.HTTPMessage
    text: str


class Forms(HTMLParser):
    """Finds a page's forms and links."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "form":
            self.forms.append(
                {"action": found.get("action", ""), "method": found.get("method", "get"), "fields": {}}
            )
        elif tag == "input" and self.forms and found.get("name"):
            self.forms[-1]["fields"][found["name"]] = found.get("value") or ""
        elif tag == "a" and found.get("href"):
            self.links.append(found["href"])


class Browser:
    """One person's browser."""

    def __init__(self, authorities, cookies=None):
        self.tls = ssl.create_default_context(cafile=authorities)
        self.jar = http.cookiejar.LWPCookieJar(cookies)
        if cookies and os.path.exists(cookies):
            self.jar.load(ignore_discard=True)
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self.tls), urllib.request.HTTPCookieProcessor(self.jar)
        )

    def keep(self):
        """Write the cookies down."""
        os.umask(0o077)
        self.jar.save(ignore_discard=True)

    def open(self, url, form=None, headers=None, method=None, body=None):
        """Fetch a page; an answer of the server that is an error is a page too."""
        url = urllib.parse.urljoin(HUB, url)
        data = body if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
        try:
            answer = self.opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read().decode("utf-8", "replace")
        return Page(answer.status, answer.url, answer.headers, text)

    def cookie(self, name, path):
        """Return the value of a cookie."""
        return next((c.value for c in self.jar if c.name == name and c.path == path), "")

    def login(self, name, password, way="/hub/login"):
        """Log in as a person does: press the button, fill in what asks for a name and a password."""
        page = self.open(way)
        for _ in range(4):
            found = Forms(page.text)
            form = next((f for f in found.forms if "password" in f["fields"]), None)
            if form is not None:
                fields = {**form["fields"], "username": name, "password": password}
                return self.open(urllib.parse.urljoin(page.url, form["action"] or page.url), form=fields)
            button = next((link for link in found.links if "oauth_login" in link), None)
            if button is None:
                return page
            page = self.open(urllib.parse.urljoin(page.url, button))
        return page

    def api(self, path, method="GET", body=None, base="/hub/"):
        """Ask an API as the page's own scripts do."""
        headers = {"X-XSRFToken": self.cookie("_xsrf", base), "Referer": HUB + base}
        data = None
        if method in ("POST", "PUT", "PATCH"):
            data = json.dumps(body or {}).encode()
            headers["Content-Type"] = "application/json"
        return self.open(base + path, headers=headers, method=method, body=data)

    def spawn(self, name):
        """Start a session and wait until it is there; return the page of JupyterLab."""
        self.open("/hub/home")
        page = self.api(f"api/users/{name}")
        if page.status != 200:
            return page
        # A login leads to a session by itself.
        if not json.loads(page.text)["servers"]:
            page = self.api(f"api/users/{name}/server", "POST")
            if page.status not in (201, 202):
                return page
        end = time.monotonic() + SPAWN_SECONDS
        while time.monotonic() < end:
            user = json.loads(self.api(f"api/users/{name}").text)
            if user["servers"].get("", {}).get("ready"):
                return self.open(f"/user/{name}/lab")
            if not user["servers"] and not user.get("pending"):
                return Page(500, page.url, page.headers, "the session did not start")
            time.sleep(0.5)
        return Page(504, page.url, page.headers, "the session is not there yet")

    def start(self, name):
        """Ask for a session and do not wait for it; a hub that dies meanwhile is no answer."""
        try:
            return self.api(f"api/users/{name}/server", "POST")
        except (OSError, http.client.HTTPException) as fault:
            return Page(0, "", http.client.HTTPMessage(), str(fault))

    def run(self, name, code):
        """Run Python code in a new kernel of a person's session; return what it printed."""
        base = f"/user/{name}/"
        self.open(base + "lab")
        kernel = json.loads(self.api("api/kernels", "POST", {}, base).text)["id"]
        try:
            with Channel(self, f"{base}api/kernels/{kernel}/channels") as channel:
                return channel.execute(code)
        finally:
            self.api(f"api/kernels/{kernel}", "DELETE", base=base)


class Channel:
    """A WebSocket to a kernel (RFC 6455, as much as text messages need)."""

    def __init__(self, browser, path):
        url = urllib.parse.urlsplit(HUB + path)
        request = urllib.request.Request(HUB + path)
        browser.jar.add_cookie_header(request)
        self.link = http.client.HTTPSConnection(url.netloc, context=browser.tls, timeout=60)
        self.link.request(
            "GET",
            path,
            headers={
                "Cookie": request.get_header("Cookie", ""),
                "Origin": HUB,
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            },
        )
        self.socket = self.link.sock
        answer = self.socket.recv(65536)
        head, _, self.rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.split(b"\r\n")[0].decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def send(self, message):
        data = json.dumps(message).encode()
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.socket.sendall(b"\x81" + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def _take(self, count):
        while len(self.rest) < count:
            more = self.socket.recv(65536)
            if not more:
                raise RuntimeError("the connection was closed")
            self.rest += more
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def receive(self):
        """Return the next message."""
        while True:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._take(8))
            data = self._take(length)
            if first & 0x0F == 1:
                return json.loads(data)

    def execute(self, code):
        identity = uuid.uuid4().hex
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "allow_stdin": False,
            "stop_on_error": True,
        }
        header = {
            "msg_id": identity,
            "msg_type": "execute_request",
            "username": "",
            "session": identity,
            "version": "5.3",
        }
        self.send(
            {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        )
        printed = ""
        while True:
            said = self.receive()
            if said["parent_header"].get("msg_id") != identity:
                continue
            if said["msg_type"] == "stream":
                printed += said["content"]["text"]
            elif said["msg_type"] == "error":
                printed += "\n".join(said["content"]["traceback"])
            elif said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return printed
