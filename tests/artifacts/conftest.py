"""Servers, a project in the pins, and a site with a cache of its own."""

from __future__ import annotations

import threading
from functools import partial
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from release_server import RELEASE, VERSION, Handler, Server, Site

from casa_install.artifacts import pins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Start servers, as many as a test asks for."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    running: list[tuple[ThreadingHTTPServer, threading.Thread, Server]] = []

    def start(files: dict[str, bytes] | None = None) -> Server:
        server = Server(dict(RELEASE if files is None else files))
        http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, server))
        http.daemon_threads = False
        server.address = f"127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((http, thread, server))
        return server

    yield start
    for http, thread, server in running:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def upstream(serve: Callable[..., Server], pinned: Callable[..., None]) -> Server:
    """The project's own server, which the pins name."""
    server = serve()
    pinned(f"{server.url}/{{version}}/{{file}}")
    return server


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a project into the pins."""

    def put(url: str, digests: dict[str, dict[str, str]] | None = None) -> None:
        names = [f"images.tar.{ending}" for ending in ("zst", "gz")]
        files = {"binary": ["tool"], "images": [*names, "images.tar"]}
        tool = {
            "version": VERSION,
            "channel": "stable",
            "version_pattern": r"v\d+\.\d+\.\d+\+k3s\d+",
            "version_example": VERSION,
            "url": url,
            "variants": {"amd64": {"checksums": "sums-amd64.txt", "files": files}},
            "digests": digests or {},
        }
        table = {"components": {"project": tool}, "machines": {"x86_64": "amd64"}}
        monkeypatch.setattr(pins, "_table", lambda: table)
        pins._components.cache_clear()

    yield put
    pins._components.cache_clear()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "cache")
