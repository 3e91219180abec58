"""What `lab up` leaves for people, and how their browser finds the lab."""

from __future__ import annotations

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casa_install.errors import CasaError
from casa_install.lab.access import Access, Reached
from casa_install.lab.browser import browser_flags, browser_home
from casa_install.lab.fence import fence, inner_fence
from casa_install.report.lab import hub_text
from casa_install.trust.authority import make_authority

PEOPLE = {
    "ada": {"password": "one", "uid": 6001, "full_name": "Ada Lovelace"},
    "eve": {"password": "two", "uid": None, "full_name": "Eve Outside"},
}


def test_the_inventory_layer_is_for_the_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    access = Access("try")
    with pytest.raises(CasaError, match="there is no lab `try`"):
        access.variables()
    access.directory.mkdir(parents=True)
    access.write(
        [Reached("nb1", "nb1.example.test", "192.0.2.7", "ssh-ed25519 AAAA")], {"lab_people": PEOPLE}
    )
    file = access.inventory / "group_vars" / "all" / "federation.yml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert access.variables() == {"lab_addresses": {"nb1": "192.0.2.7"}, "lab_people": PEOPLE}


def test_a_person_is_told_everything_that_a_login_needs() -> None:
    text = hub_text(
        "try",
        hubs=["nb1.example.test"],
        addresses={"nb1.example.test": "192.0.2.7"},
        authorities={"the hub": Path("/lab/ca.pem")},
        people=PEOPLE,
    )
    for needed in (
        "https://nb1.example.test/",
        "192.0.2.7 nb1.example.test",
        "/lab/ca.pem",
        "lab browser try",
    ):
        assert needed in text
    lines = text.splitlines()
    assert any("ada" in line and "one" in line and "refusal" not in line for line in lines)
    assert any("eve" in line and "two" in line and "refusal" in line for line in lines)


def test_the_browser_finds_the_labs_names_and_ignores_no_error() -> None:
    flags = browser_flags({"nb1.example.test": "192.0.2.7", "origin.example.test": "192.0.2.8"})
    rules = "MAP nb1.example.test 192.0.2.7,MAP origin.example.test 192.0.2.8"
    assert f"--host-resolver-rules={rules}" in flags
    assert not [flag for flag in flags if "ignore-certificate" in flag or "web-security" in flag]


@pytest.mark.skipif(shutil.which("certutil") is None, reason="certutil (libnss3-tools) is not installed")
def test_the_browser_trusts_this_labs_authorities_only(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    now = datetime.now(UTC)
    made = make_authority("Try CA", domains=["example.test"], lifetime=timedelta(days=1), now=now)
    authority.write_text(made.certificate_pem, encoding="ascii")
    for names in (("the hub", "the login"), ("the hub",)):
        home = browser_home(tmp_path / "home", dict.fromkeys(names, authority))
        database = f"sql:{home}/.pki/nssdb"
        argv = ["certutil", "-L", "-d", database]
        listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        assert "C,," in listed
    # Made anew each time: what an earlier lab's authority signed is not trusted any more.
    assert "the login" not in listed


def test_what_is_for_pods_does_not_leave_the_computer() -> None:
    rule = inner_fence("casa-try", "podman7")
    assert " ".join(rule).startswith("FORWARD -i podman7 ! -o podman7 -d 10.42.0.0/15 ")
    assert rule[-2:] == ["-j", "DROP"]


def test_the_fence_is_asked_for_what_comes_from_elsewhere_only() -> None:
    rule = fence("casa-try", "podman7", "192.0.2.0/24")
    assert rule[:6] == ["FORWARD", "!", "-i", "podman7", "-d", "192.0.2.0/24"]
    assert rule[-2:] == ["-j", "DROP"]
