"""What a person does in JupyterLab."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import FrameLocator, Locator

    from tools.browser.visit import Visit

CLUSTER_PATIENCE = 120_000
"""Milliseconds for a cluster and its workers."""

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

    def begin(self) -> None:
        """Forget what was open before, and have the question answered whether JupyterLab may fetch news."""
        news = self.page.locator(".Toastify__toast button", has_text="No")
        self.page.add_locator_handler(news, lambda: news.click())
        kernels = self.page.locator(".jp-Dialog", has_text="Select Kernel").locator("button.jp-mod-accept")
        self.page.add_locator_handler(kernels, lambda: kernels.click())
        self.page.goto(f"{self.visit.home}lab?reset")
        self.visit.await_lab()
        expect(self.page.locator(".jp-Launcher-body").first).to_be_visible()

    def upload(self, notebook: Path) -> None:
        """Bring a file along, with the file browser's own button, over one of the same name."""
        listing = self.page.locator(".jp-DirListing-content")
        try:
            expect(listing).to_be_visible()
        except AssertionError:
            # Another panel was open when the window was left. A click too early would close the list.
            self.visit.files.click()
            expect(listing).to_be_visible()
        there = self.page.locator(".jp-DirListing-item", has_text=notebook.name)
        is_over = there.count() > 0
        with self.page.expect_file_chooser() as chosen:
            self.page.get_by_role("button", name="Upload Files").click()
        chosen.value.set_files(notebook)
        if is_over:
            self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        expect(there).to_be_visible()

    def open(self, name: str) -> None:
        """Open a notebook from the file browser, with the kernel that it was written for."""
        self.page.locator(".jp-DirListing-item", has_text=name).dblclick()
        expect(self.notebook).to_be_visible()
        panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        # Before it has one, the indicator says idle too, and a run would only ask which kernel to take.
        expect(panel.locator(".jp-Toolbar-kernelName")).to_contain_text("Python 3", timeout=60_000)
        expect(self.status).to_have_attribute("data-status", "idle", timeout=60_000)

    @property
    def status(self) -> Locator:
        """What says whether the notebook that is in front is being run."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator")

    @property
    def notebook(self) -> Locator:
        """The notebook that is in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")

    def menu(self, *path: str) -> None:
        """Choose from the menu bar."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=path[0]).first.click()
        for label in path[1:]:
            item = self.page.locator(".lm-Menu-item", has=self.page.get_by_text(label, exact=True)).last
            # A menu shows what could be done when it was opened, and does nothing where that was nothing.
            expect(item).not_to_have_class(re.compile("lm-mod-disabled"))
            item.click()

    def start_running(self, name: str) -> None:
        """Run every cell of a notebook that is in front, and see the first begin."""
        tab = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.jp-mod-current", has_text=name)
        expect(tab).to_be_visible()
        self.menu("Run", "Run All Cells")
        expect(self.status).to_have_attribute("data-status", "busy")

    def await_end(self, name: str) -> list[dict[str, Any]]:
        """Wait until every cell has run; the outputs of all cells, as the server has them.

        JupyterLab takes cells that are far off the screen out of the page: the saved file is asked.

        Raises:
            AssertionError: A cell failed, or the notebook did not end in time.
        """
        deadline = time.monotonic() + RUN_PATIENCE
        while waiting := [cell for cell in self.saved(name) if cell["execution_count"] is None]:
            seen = " ".join(self.page.locator("body").inner_text().split())
            assert time.monotonic() < deadline, (
                f"{name} does not get past: {waiting[0]['source'][:60]!r}; the window says: {seen[:2000]}"
            )
        return [out for cell in self.saved(name) for out in cell["outputs"]]

    def saved(self, name: str) -> list[dict[str, Any]]:
        """The code cells of a notebook that is in front, as they are now; it is saved for it.

        Raises:
            AssertionError: A cell failed.
        """
        # One save after another is ignored where nothing has changed, so there is nothing to wait for.
        self.page.keyboard.press("Control+s")
        self.page.wait_for_timeout(1000)
        reply = self.visit.fetch(f"{self.visit.home}api/contents/{name}?content=1")
        assert reply["status"] == 200, f"{name} cannot be read: {reply['status']}"
        found: list[dict[str, Any]] = json.loads(reply["text"])["content"]["cells"]
        cells = [cell for cell in found if cell["cell_type"] == "code" and cell["source"]]
        failed = [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]
        assert not failed, f"{name}: {failed[0]['ename']}: {failed[0]['evalue']}"
        return cells

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
        panel.get_by_role("button", name="NEW").click()
        expect(items).to_have_count(before + 1, timeout=CLUSTER_PATIENCE)
        return items.nth(before)

    def dask_scale(self, entry: Locator, workers: int) -> None:
        """Ask for workers at least with a cluster's SCALE, and wait until they are there.

        The cluster stays adaptive. dask-labextension 7.0.0 forgets to stop that when a fixed number is asked
        for (manager.py, scale_cluster), and idle workers go again at once.
        """
        entry.get_by_role("button", name="SCALE").click()
        dialog = self.page.locator(".jp-Dialog")
        adaptive = dialog.locator(".dask-ScalingCheckbox")
        if not adaptive.is_checked():
            adaptive.click()
        dialog.locator(".dask-ScalingInput").nth(1).fill(str(workers))
        dialog.get_by_role("button", name="SCALE").click()
        deadline = time.monotonic() + CLUSTER_PATIENCE / 1000
        # The panel does not look by itself.
        while f"Number of Workers: {workers}" not in entry.inner_text():
            assert time.monotonic() < deadline, f"no {workers} workers: {entry.inner_text()}"
            self.page.wait_for_timeout(1000)
            self.dask_refresh()

    def dask_refresh(self) -> None:
        """Ask what the clusters are like now."""
        self.dask_panel().get_by_role("button", name="Refresh Cluster List").click()

    def dashboard(self, entry: Locator, plot: str) -> FrameLocator:
        """One of a cluster's plots, as a panel of JupyterLab.

        Args:
            entry: The cluster in the Dask panel.
            plot: The plot's name there.
        """
        # A cluster that is chosen becomes the one whose plots are offered.
        entry.click()
        button = self.dask_panel().get_by_role("button", name=plot, exact=True)
        expect(button).to_be_enabled()
        button.click()
        frame = self.page.locator(".jp-IFrame iframe").last
        expect(frame).to_be_visible()
        return frame.content_frame

    def dask_shutdown(self, entry: Locator) -> None:
        """End a cluster with its SHUTDOWN."""
        items = self.dask_panel().locator(".dask-ClusterListingItem")
        before = items.count()
        entry.get_by_role("button", name="SHUTDOWN").click()
        expect(items).to_have_count(before - 1, timeout=CLUSTER_PATIENCE)
