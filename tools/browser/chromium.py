"""The distribution's Chromium in a lab, driven by Playwright."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from casa_install.lab import machines
from casa_install.lab.access import Access
from casa_install.lab.browser import browser_flags, browser_home, require_browser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser

Say = Callable[[str], None]
"""Tells what came out."""

PATIENCE = 60_000
"""Milliseconds that a page may take on a busy computer before the visit has failed."""


@dataclass(frozen=True)
class Place:
    """A lab as a browser sees it."""

    name: str
    hub: str
    login: str
    people: dict[str, dict[str, Any]]
    addresses: dict[str, str]
    authorities: Mapping[str, Path]
    origin: str


def place(lab: str) -> Place:
    """A running lab.

    Raises:
        CasaError: There is none of that name, or it has no hub.
    """
    access = Access(lab)
    known = access.variables()
    running = machines.listing(machines.open_podman(), lab)
    return Place(
        name=lab,
        hub=f"https://{known['lab_hubs'][0]}",
        login=known["lab_login_issuer"],
        people=known["lab_people"],
        addresses={machine.fqdn: machine.address for machine in running},
        authorities=access.authorities,
        origin=next(machine.name for machine in running if machine.fqdn == known["lab_origin_name"]),
    )


@contextmanager
def chromium(where: Place, authorities: Mapping[str, Path] | None = None) -> Iterator[Browser]:
    """A running browser, headless, that trusts a lab's authorities and nobody's word for less.

    It runs in the network namespace of the origin, as a computer beside the hub would: Chromium drops its
    connections (ERR_NETWORK_CHANGED) whenever its own computer gets another interface, which every lab that
    somebody starts there brings.

    Args:
        where: The lab.
        authorities: Other authorities than the lab's.
    """
    podman = machines.open_podman()
    container = machines.container_name(where.name, where.origin)
    pid = podman.run("container", "inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="casa-browser-") as work, sync_playwright() as driver:
        home = browser_home(Path(work) / "home", where.authorities if authorities is None else authorities)
        start = Path(work) / "chromium"
        inside = shlex.join(["nsenter", f"--net=/proc/{pid}/ns/net", "--", require_browser()])
        start.write_text(f'#!/bin/sh\nexec {inside} "$@"\n', encoding="ascii")
        start.chmod(0o700)
        browser = driver.chromium.launch(
            executable_path=start,
            headless=True,
            args=[*browser_flags(where.addresses), "--disable-gpu"],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
        try:
            yield browser
        finally:
            browser.close()
