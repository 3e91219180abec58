"""What a person does in JupyterLab."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import FrameLocator, Locator

    from tools.browser.visit import Visit

RUN_PATIENCE = 300
"""Seconds for a notebook that starts a cluster."""


class JupyterLab:
    """The window of one person's JupyterLab.

    Args:
        visit: Whose; JupyterLab is open there.
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.page = visit.page

    def dismiss_news(self) -> None:
        """JupyterLab asks once whether it may fetch news."""
        answer = self.page.locator(".Toastify__toast button", has_text="No")
        if answer.count():
            answer.first.click()

    def upload(self, notebook: Path) -> None:
        """Bring a file along, with the file browser's own button, over one of the same name."""
        name = notebook.name
        with self.page.expect_file_chooser() as chosen:
            self.page.locator(
                "[data-command='filebrowser:upload'], jp-button[title^='Upload Files']"
            ).first.click()
        chosen.value.set_files(notebook)
        over = self.page.locator(".jp-Dialog button.jp-mod-accept")
        there = self.page.locator(".jp-DirListing-item", has_text=name)
        expect(over.or_(there).first).to_be_visible()
        if over.count():
            over.click()
        expect(there).to_be_visible()

    def open(self, name: str) -> None:
        """Open a notebook from the file browser, with the kernel that it was written for."""
        self.page.locator(".jp-DirListing-item", has_text=name).dblclick()
        expect(self.notebook).to_be_visible()
        self._choose_kernel()
        status = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator")
        expect(status).to_have_attribute("data-status", "idle", timeout=60_000)

    def _choose_kernel(self) -> None:
        dialog = self.page.locator(".jp-Dialog", has_text="Select Kernel")
        self.page.wait_for_timeout(500)
        if dialog.count():
            dialog.locator("button.jp-mod-accept").click()

    @property
    def notebook(self) -> Locator:
        """The notebook that is in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")

    def menu(self, *path: str) -> None:
        """Choose from the menu bar."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=path[0]).first.click()
        for label in path[1:]:
            item = self.page.locator(".lm-Menu-item", has=self.page.get_by_text(label, exact=True))
            item.last.click()

    def start_running(self) -> None:
        """Run every cell, without waiting."""
        self.menu("Run", "Run All Cells")

    def await_end(self, name: str) -> list[dict[str, Any]]:
        """Wait until no cell runs or waits; save, and return the outputs of all cells as the server has them.

        Raises:
            AssertionError: A cell failed, or the notebook did not end in time.
        """
        deadline = time.monotonic() + RUN_PATIENCE
        while self.notebook.locator(".jp-InputPrompt", has_text="*").count():
            assert time.monotonic() < deadline, f"{name} still runs after {RUN_PATIENCE} s"
            self.page.wait_for_timeout(500)
        return self.outputs(name)

    def outputs(self, name: str) -> list[dict[str, Any]]:
        """What the cells of a notebook have put out so far; the notebook is saved for it."""
        self.menu("File", "Save Notebook")
        saved = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        expect(saved).to_be_visible()
        self.page.wait_for_timeout(1000)
        reply = self.visit.context.request.get(f"{self.visit.home}api/contents/{name}?content=1")
        assert reply.ok, f"{name} cannot be read: {reply.status}"
        cells = [cell for cell in reply.json()["content"]["cells"] if cell["cell_type"] == "code"]
        failed = [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]
        assert not failed, f"{name}: {failed[0]['ename']}: {failed[0]['evalue']}"
        waiting = [cell for cell in cells if cell["source"] and cell["execution_count"] is None]
        assert not waiting, f"{name}: a cell did not run: {waiting[0]['source'][:60]!r}"
        return [out for cell in cells for out in cell["outputs"]]

    def dask_panel(self) -> Locator:
        """The Dask panel in the left sidebar, opened."""
        panel = self.page.locator(".dask-DaskSidebar")
        if not panel.is_visible():
            self.page.locator(".jp-SideBar [data-id='dask-dashboard-launcher']").click()
        expect(panel).to_be_visible()
        return panel

    def dask_new(self) -> Locator:
        """The Dask panel's NEW; the cluster's entry once it is there."""
        panel = self.dask_panel()
        items = panel.locator(".dask-ClusterListingItem")
        before = items.count()
        panel.locator("button", has_text="NEW").or_(
            panel.locator("[data-command='dask:launch-cluster']")
        ).first.click()
        expect(items).to_have_count(before + 1, timeout=90_000)
        return items.nth(before)

    def dashboard(self, what: str) -> FrameLocator:
        """One of the dashboard's plots as a panel of JupyterLab.

        Args:
            what: The button's text in the Dask panel.
        """
        panel = self.dask_panel()
        panel.locator(".dask-DashboardListing-item, button", has_text=what).first.click()
        frame = self.page.locator(".dask-DaskDashboard iframe, .jp-IFrame iframe").last
        expect(frame).to_be_visible()
        return frame.content_frame
