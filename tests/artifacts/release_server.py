"""A project with releases: its files on a server of this computer that can fail, and pins that name it."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from casa_install.artifacts.download import Patience
from casa_install.artifacts.places import Sources
from casa_install.artifacts.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = "v1.2.3+k3s1"
TOOL = bytes(range(256)) * 400
IMAGES = b"images" * 1000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listing(**files: bytes) -> bytes:
    return "".join(f"{sha256(data)}  {name.replace('__', '.')}\n" for name, data in files.items()).encode()


RELEASE = {
    "tool": TOOL,
    "images.tar.gz": IMAGES,
    "sums-amd64.txt": listing(tool=TOOL, images__tar__gz=IMAGES),
}


@dataclass
class Server:
    """What a server offers and how it fails, and what it was asked.

    `faults` by file name: `cut` breaks off in the middle, `stall` stops there until `released`, `trickle`
    sends a byte at a time, `whole` ignores ranges, a number is a status, a URL is where it redirects to.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str | int] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    half_sent: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *arguments: object) -> None:
        self.offer = server
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.offer.asked.append((self.path, dict(self.headers.items())))
        self.close_connection = True
        name = self.path.rpartition("/")[2]
        fault = self.offer.faults.get(name)
        if isinstance(fault, int) or name not in self.offer.files:
            self.answer(fault if isinstance(fault, int) else 404, b"not found")
        elif fault is not None and "/" in str(fault):
            self.send_response(302)
            self.send_header("Location", str(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send(self.offer.files[name], str(fault or ""))

    def send(self, data: bytes, fault: str) -> None:
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fault != "whole" else 0
        if start and start >= len(data):
            self.answer(416, b"")
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        half = (start + len(data)) // 2
        if fault == "trickle":
            for byte in data:
                if self.offer.released.wait(0.02):
                    return
                self.wfile.write(bytes([byte]))
        self.wfile.write(data[start:half])
        if fault == "stall":
            self.wfile.flush()
            self.offer.half_sent.set()
            assert self.offer.released.wait(30)
        if fault != "cut":
            self.wfile.write(data[half:])

    def answer(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Write nothing on the terminal."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@dataclass
class Site:
    """A site whose cache is in a temporary directory."""

    cache: Path
    told: list[str] = field(default_factory=list)
    patience: Patience = field(default_factory=lambda: Patience(silence=10, window=10))

    @property
    def folder(self) -> Path:
        return self.cache / "project" / VERSION

    def resolver(self, *, look_only: bool = False, **sources: object) -> Resolver:
        return Resolver(
            Sources(self.cache, **sources), patience=self.patience, tell=self.told.append, look_only=look_only
        )

    def names(self) -> list[str]:
        """Everything that lies in the cache, by name."""
        return sorted(str(path.relative_to(self.cache)) for path in self.cache.rglob("*") if path.is_file())

    def put(self, name: str, data: bytes) -> Path:
        """Lay a file into the cache by hand."""
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


def wait(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for a state."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)
