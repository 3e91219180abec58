"""What is tried at a facility, and what must come of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tools.browser.chromium import PATIENCE, Say, chromium
from tools.browser.jupyterlab import JupyterLab
from tools.browser.visit import PHONE, SIZE, Visit, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tools.browser.chromium import Place

USER = "ada"
OTHER = "emmy"
STRANGER = "eve"
WORKERS = 2


def trust(where: Place, say: Say) -> None:
    """A browser without the lab's authorities goes nowhere: no certificate error is ignored here."""
    with chromium(where, {}) as browser:
        said = refusal(browser, where)
    assert "ERR_CERT_AUTHORITY_INVALID" in said, said
    say("a browser that does not know the lab's authorities goes nowhere")


def refused(browser: Browser, where: Place, images: Path | None, say: Say) -> None:
    """Who may not use the facility is told so, and gets no server."""
    with Visit(browser, where, STRANGER, images) as visit:
        visit.to_provider()
        visit.fill_in()
        expect(visit.page).to_have_url(re.compile(re.escape(f"{where.hub}/hub/oauth_callback")))
        visit.picture("refused")
        text = visit.page.locator("body").inner_text()
        assert "Traceback" not in text
        assert re.search(r"not (let in|allowed|admitted)|allow", text), text
        for path in ("hub/home", "hub/spawn", f"user/{STRANGER}/lab", f"user/{USER}/lab"):
            answer = visit.fetch(f"{where.hub}/{path}")
            assert "/hub/login" in answer["url"] or answer["status"] in (403, 404), (path, answer["url"])
        say(f"{STRANGER} is outside of the allow rule: {' '.join(text.split())[:160]}")


def pages(browser: Browser, where: Place, images: Path | None, say: Say) -> None:
    """The pages that everybody sees, on a screen and on a phone; a wrong password."""
    with Visit(browser, where, USER, images) as visit:
        visit.open_hub()
        visit.picture("landing")
        visit.page.set_viewport_size(PHONE)
        visit.picture("landing-phone")
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], f"the landing page is {wide} px wide on a phone of {PHONE['width']} px"
        visit.page.set_viewport_size(SIZE)
        visit.to_provider()
        visit.picture("provider")
        visit.fill_in("wrong")
        expect(visit.page.get_by_role("alert")).to_contain_text("wrong")
        assert visit.page.url.startswith(where.login)
        say("the landing page fits a phone; a wrong password stays at the provider")


def login(browser: Browser, where: Place, images: Path | None, say: Say) -> None:
    """Log in, start a server, see JupyterLab, log out, and be refused; another's server is closed."""
    with Visit(browser, where, USER, images) as visit, Visit(browser, where, OTHER) as other:
        seconds = visit.reach_lab()
        say(f"{USER}: login to JupyterLab in {seconds:.1f} s")
        JupyterLab(visit).begin()
        visit.picture("jupyterlab")
        assert visit.fetch(f"{visit.home}api/contents")["status"] == 200
        other.log_in()
        for path in ("lab", "api/contents", "api/kernels"):
            answer = other.fetch(f"{visit.home}{path}")
            assert answer["status"] in (403, 404), f"{OTHER} got {answer['status']} for {USER}'s {path}"
        say(f"{OTHER} is refused at {USER}'s server")
        visit.page.goto(f"{where.hub}/hub/home")
        visit.picture("home")
        visit.log_out()
        visit.require_refused()
        say(f"{USER} is logged out, and refused at the server that still runs")
        assert not visit.complaints, visit.complaints


def analysis(
    browser: Browser, where: Place, images: Path | None, say: Say, *, notebook: Path, user: str = USER
) -> None:
    """Run a notebook that starts a cluster and draws what it read through the cache, and watch it work."""
    with Visit(browser, where, user, images) as visit:
        say(f"{user}: login to JupyterLab in {visit.reach_lab():.1f} s")
        window = JupyterLab(visit)
        window.begin()
        window.upload(notebook)
        window.open(notebook.name)
        window.start_running(notebook.name)
        outputs = window.await_end(notebook.name)
        drawn = [out for out in outputs if "image/png" in out.get("data", {})]
        assert drawn, f"{notebook.name} drew nothing"
        visit.picture("histogram")
        say(f"{user}: {notebook.name} ran, and drew {len(drawn)} pictures")
        watch(window, visit, say)
        visit.log_out()
        visit.require_refused()
        say(f"{user} is logged out")


def watch(window: JupyterLab, visit: Visit, say: Say) -> None:
    """Start a cluster with the Dask panel's NEW, and see its workers on the dashboard."""
    entry = window.dask_new()
    window.dask_scale(entry, WORKERS)
    frame = window.dashboard(entry, "Workers")
    expect(frame.get_by_text(f"Total ({WORKERS})").first).to_be_visible(timeout=PATIENCE)
    visit.picture("dask-panel")
    say(f"the Dask panel and the dashboard show {WORKERS} workers")
    window.dask_shutdown(entry)


def together(browser: Browser, where: Place, images: Path | None, say: Say) -> None:
    """Two users at once: each has a cluster with workers while the other has one."""
    with Visit(browser, where, USER, images) as one, Visit(browser, where, OTHER, images) as other:
        visits = (one, other)
        windows = []
        for visit in visits:
            visit.reach_lab()
            windows.append(JupyterLab(visit))
            windows[-1].begin()
        entries = [window.dask_new() for window in windows]
        for window, entry in zip(windows, entries, strict=True):
            window.dask_scale(entry, WORKERS)
        for window, entry in zip(windows, entries, strict=True):
            window.dask_refresh()
            expect(entry).to_contain_text(f"Number of Workers: {WORKERS}")
        say(f"{USER} and {OTHER} have {WORKERS} workers each at the same time")
        for window, entry in zip(windows, entries, strict=True):
            window.dask_shutdown(entry)
        for visit in visits:
            visit.log_out()


def times(browser: Browser, where: Place, say: Say, *, visits: int = 10) -> list[float]:
    """Seconds from the provider's form to JupyterLab, the server being stopped before each."""
    found = []
    for _ in range(visits):
        with Visit(browser, where, USER) as visit:
            found.append(visit.reach_lab())
            say(f"login to JupyterLab in {found[-1]:.1f} s")
            visit.stop_server()
            visit.log_out()
    return found
