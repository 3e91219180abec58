"""Real ROOT files for the origin, written by uproot: a NanoAOD-like tree and a small file.

The tree is large enough, and cut into enough baskets, that reading one branch is far from reading the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = 400_000
BASKETS = 20
BRANCHES = tuple(
    f"{collection}_{quantity}"
    for collection in ("Muon", "Electron", "Jet", "FatJet", "Tau", "Photon")
    for quantity in ("pt", "eta", "phi", "mass")
)
"""24 branches of 1.5 MB each: 36 MB in all."""


def write_root_files(directory: Path) -> None:
    """Write ``nano.root`` and ``small.root``; the same values in every lab.

    Raises:
        CasaError: uproot is not installed.
    """
    try:
        import numpy
        import uproot
    except ImportError as error:
        raise CasaError(
            "a lab with an origin needs uproot, which writes its ROOT files",
            hint="pip install 'casa-install[lab]'",
            exit_code=ExitCode.USAGE,
        ) from error
    numbers = numpy.random.default_rng(20261124)
    with uproot.recreate(directory / "nano.root", compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("Events", dict.fromkeys(BRANCHES, "float32"), title="Events")
        for _ in range(BASKETS):
            size = EVENTS // BASKETS
            tree.extend({name: numbers.normal(size=size).astype("float32") for name in BRANCHES})
    with uproot.recreate(directory / "small.root") as file:
        file["pt"] = numpy.histogram(numbers.exponential(20.0, 10_000), bins=50, range=(0, 200))
        file["tree"] = {"event": numpy.arange(1000), "pt": numbers.exponential(20.0, 1000)}
