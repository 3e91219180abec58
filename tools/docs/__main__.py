"""`python -m tools.docs`: write the generated pages anew; `--check` names those that are not up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.docs.example_inventory import EXAMPLE, example_inventory
from tools.docs.role_page import option_page, role_page
from tools.docs.roles import GENERATED, Role, SpecError, load_roles


def main() -> int:
    """Run the command line.

    Returns:
        0 when all files are up to date (or were written), 1 when `--check` found one that is not,
        2 when the argument specs cannot be turned into pages.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file would change")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the checkout")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    try:
        pages = generate(load_roles(root))
    except SpecError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    drifted = [path for path, text in pages.items() if _read(root / path) != text]
    stale = _stale(root, pages)
    if arguments.check:
        for path in sorted([*drifted, *stale]):
            print(f"{path}: not what the argument specs say", file=sys.stderr)
        if drifted or stale:
            print(" Hint: make docs", file=sys.stderr)
        return 1 if drifted or stale else 0
    for path in drifted:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(pages[path], encoding="utf-8")
        print(f"wrote {path}")
    for path in stale:
        (root / path).unlink()
        print(f"removed {path}")
    return 0


def generate(roles: list[Role]) -> dict[Path, str]:
    """Return the text of every generated file, by its path in the checkout.

    Raises:
        SpecError: A spec lacks what a page needs.
    """
    pages = {Path("roles", role.name, "README.md"): role_page(role, roles) for role in roles}
    pages[Path("docs", "options.md")] = option_page(roles)
    pages.update(example_inventory(roles))
    return pages


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _stale(root: Path, pages: dict[Path, str]) -> list[Path]:
    """Generated files of the example inventory that nothing asks for any more: their role is gone."""
    found = []
    for path in sorted((root / EXAMPLE).rglob("*.yml")):
        relative = path.relative_to(root)
        if relative not in pages and GENERATED in path.read_text(encoding="utf-8").partition("\n")[0]:
            found.append(relative)
    return found


if __name__ == "__main__":
    sys.exit(main())
