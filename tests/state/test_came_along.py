"""Dependencies that came with our packages go with them, as far as apt says that nothing else needs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.state.conftest import Site

THEIRS = "K theirs install installed 1\nK gone deinstall config-files 1\n"
OURS = "K demo install installed 1\nK lib-a install installed 1\nK lib-b install installed 1\n"


@pytest.fixture
def demo(site: Site) -> Site:
    """A role with one package that brings two others; the site has one of its own."""
    site.role.write("resources: [{package: demo, version: '{{ version }}'}]", version="*")
    packages = site.host.fakes / "packages"
    packages.write_text(THEIRS)
    (site.host.fakes / "orphans").write_text("")

    def module(name: str, arguments: dict[str, Any]) -> bool:
        if arguments["state"] == "present":
            packages.write_text(THEIRS + OURS)
        else:
            kept = [
                line for line in packages.read_text().splitlines() if line.split()[1] not in arguments["name"]
            ]
            packages.write_text("".join(f"{line}\n" for line in kept))
        return True

    site.host.on_module = module
    return site


def came(site: Site) -> list[str] | None:
    receipt = json.loads((site.host.receipts / "demo.json").read_text())
    return next(entry["ours"].get("came") for entry in receipt["entries"] if entry["kind"] == "package")


def removals(site: Site) -> list[list[str]]:
    return [arguments["name"] for _, arguments in site.host.calls if arguments["state"] == "absent"]


def test_what_came_along_is_in_the_receipt(demo: Site) -> None:
    demo.apply()
    assert came(demo) == ["lib-a", "lib-b"]
    assert not list((demo.host.scratch / "casa" / "saved").iterdir())
    assert not demo.apply().changed


def test_only_what_apt_calls_needless_and_came_with_us_goes_and_its_configuration_too(demo: Site) -> None:
    demo.apply()
    (demo.host.fakes / "orphans").write_text("lib-b\ntheirs\n")
    outcome = demo.remove()
    assert removals(demo) == [["demo"], ["lib-b"]]
    assert all(arguments["purge"] for _, arguments in demo.host.calls if arguments["state"] == "absent")
    assert outcome.done == ["remove package demo", "remove package lib-b, which came along"]
    assert not (demo.host.scratch / "casa").exists()


def test_a_preview_says_what_may_go_with_a_package(demo: Site) -> None:
    demo.apply()
    assert demo.remove(check=True).done == [
        "remove package demo, and what is needed no longer of the 2 that came along"
    ]


def test_what_a_killed_installation_brought_counts_as_ours(demo: Site) -> None:
    whole = demo.host.on_module

    def killed(name: str, arguments: dict[str, Any]) -> bool:
        (demo.host.fakes / "packages").write_text(THEIRS + "K lib-a install installed 1\n")
        raise KeyboardInterrupt

    demo.host.on_module = killed
    with pytest.raises(KeyboardInterrupt):
        demo.apply()
    demo.host.on_module = whole
    demo.apply()
    assert came(demo) == ["lib-a", "lib-b"]


def test_a_killed_installation_can_be_removed(demo: Site) -> None:
    whole = demo.host.on_module

    def killed(name: str, arguments: dict[str, Any]) -> bool:
        (demo.host.fakes / "packages").write_text(THEIRS + "K lib-a install installed 1\n")
        raise KeyboardInterrupt

    demo.host.on_module = killed
    with pytest.raises(KeyboardInterrupt):
        demo.apply()
    demo.host.on_module = whole
    (demo.host.fakes / "orphans").write_text("lib-a\ntheirs\n")
    demo.remove()
    assert removals(demo) == [["demo"], ["lib-a"]]
    assert not (demo.host.scratch / "casa").exists()


def test_another_version_later_keeps_what_is_known(demo: Site) -> None:
    demo.apply()
    demo.role.variables["version"] = "2"
    packages = demo.host.fakes / "packages"
    demo.host.on_module = lambda name, arguments: bool(
        packages.write_text(THEIRS + OURS.replace("demo install installed 1", "demo install installed 2"))
    )
    assert not demo.apply().failures
    assert came(demo) == ["lib-a", "lib-b"]


def test_where_apt_gives_no_answer_the_receipt_keeps_everything(demo: Site) -> None:
    demo.apply()
    (demo.host.fakes / "bin" / "apt-get").write_text("#!/bin/sh\necho broken\nexit 100\n")
    with pytest.raises(Exception, match=r"apt does not say which packages are needed no longer: broken"):
        demo.remove()
    assert came(demo) == ["lib-a", "lib-b"]


def test_with_rpm_what_came_along_is_left_and_told(demo: Site) -> None:
    demo.apply()
    from casa_install.state.apply import Apply
    from casa_install.state.receipts import Entry

    run = Apply(demo.role.desired(), demo.host, demo.options())
    demo.host.calls.clear()
    run.take_away([Entry("package", "demo", "packages", {"type": "absent"})], "rpm")
    assert [name for name, _ in demo.host.calls] == ["ansible.builtin.dnf"]
    assert run.outcome.notes == ["packages that came along were left; `dnf autoremove` lists them"]
