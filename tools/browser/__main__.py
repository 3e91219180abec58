"""Visit a running lab: ``python -m tools.browser --lab NAME SCENE...``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from casa_install.errors import CasaError
from tools.browser import scenes
from tools.browser.chromium import chromium, place

SCENES = ("trust", "pages", "refused", "login", "analysis", "together")
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Play the scenes in turn; ends with 1 at the first that does not come out as it must."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--lab", default="lab", help="the lab's name")
    asked.add_argument("--images", type=Path, help="a directory for screenshots")
    asked.add_argument("--notebook", type=Path, default=ROOT / "examples" / "histogram.ipynb")
    asked.add_argument(
        "scene", nargs="+", choices=["trust", "pages", "refused", "login", "analysis", "together"]
    )
    given = asked.parse_args()
    where = place(given.lab)
    if "trust" in given.scene:
        scenes.trust(where, say)
    with chromium(where) as browser:
        for scene in given.scene:
            if scene == "analysis":
                scenes.analysis(browser, where, given.images, say, notebook=given.notebook)
            elif scene != "trust":
                getattr(scenes, scene)(browser, where, given.images, say)


def say(line: str) -> None:
    """Tell what came out."""
    print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, CasaError) as error:
        sys.exit(f"Error: {error}")
