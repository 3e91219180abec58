"""One person's visit to a facility."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import Error, ViewportSize, expect

from tools.browser.chromium import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Locator

    from tools.browser.chromium import Place

SIZE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
SPAWN_PATIENCE = 120_000
"""Milliseconds for a server to start on a busy computer."""


class Visit:
    """A person with a browser of his own: cookies are shared with nobody.

    Args:
        browser: The browser.
        where: The lab.
        name: Who.
        images: Where screenshots go; nowhere when it is None.
    """

    def __init__(self, browser: Browser, where: Place, name: str, images: Path | None = None) -> None:
        self.where = where
        self.name = name
        self.images = images
        self.context = browser.new_context(viewport=SIZE, locale="en-GB", timezone_id="Europe/Zurich")
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def __enter__(self) -> Self:
        """The visit begins."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the person's windows; what was to be seen when it went wrong is kept."""
        if kind is not None:
            self.picture(f"failed-{self.name}")
        self.context.close()

    def picture(self, name: str, of: Locator | None = None) -> None:
        """Keep what is to be seen."""
        if self.images is not None:
            self.images.mkdir(parents=True, exist_ok=True)
            (of or self.page).screenshot(path=self.images / f"{name}.png", animations="disabled")

    @property
    def home(self) -> str:
        """The URL of the person's own server."""
        return f"{self.where.hub}/user/{self.name}/"

    def open_hub(self) -> None:
        """The landing page, as somebody who is not logged in sees it."""
        self.page.goto(f"{self.where.hub}/")
        expect(self.page).to_have_url(re.compile(re.escape(f"{self.where.hub}/hub/login")))

    def to_provider(self) -> None:
        """From the hub's login page to the provider's form."""
        self.page.goto(f"{self.where.hub}/hub/login")
        self.page.locator("a[href*='oauth_login']").first.click()
        expect(self.page).to_have_url(re.compile(re.escape(self.where.login)))

    def fill_in(self, password: str | None = None) -> None:
        """The provider's form."""
        self.page.locator("#username").fill(self.name)
        known = self.where.people[self.name]["password"]
        self.page.locator("#password").fill(known if password is None else password)
        self.page.locator("#login").click()

    def log_in(self) -> None:
        """From nothing to the hub, which knows the person afterwards."""
        self.to_provider()
        self.fill_in()
        expect(self.page).to_have_url(re.compile(re.escape(f"{self.where.hub}/")))

    def start_server(self) -> None:
        """Ask for a server, with the profile that is offered first, and wait until JupyterLab is there."""
        self.page.goto(f"{self.where.hub}/hub/spawn")
        start = self.page.locator("form#spawn_form input[type=submit], form#spawn_form button[type=submit]")
        expect(start.or_(self.files).first).to_be_visible(timeout=SPAWN_PATIENCE)
        if start.count():
            self.picture("profiles")
            start.first.click()
        self.await_lab()

    def await_lab(self) -> None:
        """Wait for JupyterLab, and see that it is the person's own."""
        expect(self.page).to_have_url(re.compile(re.escape(f"{self.home}lab")), timeout=SPAWN_PATIENCE)
        expect(self.files).to_be_visible(timeout=SPAWN_PATIENCE)

    @property
    def files(self) -> Locator:
        """The tab of JupyterLab's list of files, which comes when the whole window is there."""
        return self.page.locator(".lm-TabBar-tab[data-id='filebrowser']").first

    def reach_lab(self) -> float:
        """From the provider's form to JupyterLab; how many seconds that took."""
        self.to_provider()
        began = time.monotonic()
        self.fill_in()
        expect(self.page).to_have_url(re.compile(re.escape(f"{self.where.hub}/")))
        self.start_server()
        return time.monotonic() - began

    def stop_server(self) -> None:
        """Stop the server as its owner, through the hub's page."""
        self.page.goto(f"{self.where.hub}/hub/home")
        stop = self.page.locator("#stop")
        stop.click()
        expect(stop).to_be_hidden(timeout=PATIENCE)
        expect(self.page.locator("#start")).to_be_visible()

    def log_out(self) -> None:
        """Log out of the hub and, where the hub sends on to it, of the provider."""
        self.page.goto(f"{self.where.hub}/hub/logout")
        self.page.wait_for_load_state()
        if self.page.url.startswith(self.where.login):
            button = self.page.locator("#logout")
            if button.count():
                button.click()
                self.page.wait_for_load_state()

    def require_refused(self) -> None:
        """A person who is logged out must not get at the server, which may still run."""
        for path in ("lab", "api/contents", "api/kernels"):
            # A new address each time: it is the server that is asked, and not what the browser has kept.
            answer = self.fetch(f"{self.home}{path}?asked={secrets.token_hex(8)}")
            if answer["status"] == 200 and answer["url"].startswith(self.home):
                raise AssertionError(f"{self.home}{path} still answers after logging out")

    def fetch(self, url: str) -> dict[str, Any]:
        """What an address answers to this browser: status, address after redirects, and text."""
        page = self.context.new_page()
        try:
            reply = page.goto(url)
            assert reply is not None
            return {"status": reply.status, "url": page.url, "text": reply.text()}
        finally:
            page.close()


def refusal(browser: Browser, where: Place) -> str:
    """How a browser that does not know the lab's authorities refuses it.

    Raises:
        AssertionError: It does not.
    """
    page = browser.new_page()
    try:
        page.goto(f"{where.login}/")
    except Error as error:
        return error.message.splitlines()[0]
    finally:
        page.close()
    raise AssertionError("the browser trusts whom it cannot know")
