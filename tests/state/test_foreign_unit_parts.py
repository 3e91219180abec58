"""What a site changed about a unit is told, and what we did to it ourselves is not."""

from __future__ import annotations

import pytest

from casa_install.plugins.module_utils.casa_state.receipts import Receipt
from casa_install.state.compare_host import compare_unit
from casa_install.state.differences import View
from casa_install.state.findings import Place
from casa_install.state.observed import Observed
from casa_install.state.render import Desired
from casa_install.state.resources import Unit

HERE = Place("state.yml", 1)
SITE_FILE = "/etc/systemd/system/demo.service"


@pytest.mark.parametrize(
    ("load", "wanted_masked", "told"),
    [("loaded", None, (f"overridden by {SITE_FILE}",)), ("masked", True, None)],
    ids=["overridden by the site", "masked by us"],
)
def test_a_file_in_the_place_of_the_packages_own(
    load: str, wanted_masked: bool | None, told: tuple[str, ...] | None
) -> None:
    resource = Unit(unit="demo.service", masked=wanted_masked, place=HERE)
    seen = {"LoadState": load, "FragmentPath": SITE_FILE, "ActiveState": "inactive"}
    observed = Observed(units={"demo.service": seen}, vendor={"demo.service": "ok"})
    found = compare_unit(resource, View(Desired("demo", (resource,), {}, ()), observed, Receipt("demo")))
    assert (found.details if found else None) == told
