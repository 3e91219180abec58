"""Every file of a cache for every operating system and profile: its form, and that it changes on purpose.

`CASA_GOLDEN=write` writes the golden files anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.template import trust_as_template

from tests.xcache.conftest import ROLE, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
CASES: dict[str, dict[str, Any]] = {
    "cms": {"xcache_profile": "cms", "xcache_allowed_subnets": ["10.10.0.0/16", "2001:db8::/32"]},
    "cms-x509": {"xcache_profile": "cms", "xcache_inbound": ["tokens", "x509"], "xcache_outbound": "proxy"},
    "atlas": {"xcache_profile": "atlas", "xcache_permitted_origins": ["*.example.edu"]},
    "opendata": {"xcache_profile": "opendata", "xcache_http_port": 8080},
    "custom-full": {
        "xcache_origins": ["o1.example.edu:1094", "o2.example.edu:1095"],
        "xcache_origin_tls": True,
        "xcache_exports": ["/store", "/data"],
        "xcache_http_port": 8443,
        "xcache_issuers": [
            {
                "name": "site",
                "issuer": "https://iss.example.edu",
                "base_path": ["/store", "/data"],
                "restricted_path": ["/public"],
            },
            {"name": "other", "issuer": "https://other.example.edu/"},
        ],
        "xcache_audiences": ["https://cache1.t3.example.edu", "https://wlcg.cern.ch/jwt/v1/any"],
        "xcache_outbound": "token",
        "xcache_outbound_token_endpoint": "https://iss.example.edu/token",
        "xcache_outbound_client_id": "cache",
        "xcache_outbound_client_secret": "canary-of-the-client-secret",
        "xcache_outbound_audience": "https://origin.example.edu",
        "xcache_data": ["/xcache/d1/data", "/xcache/d2/data"],
        "xcache_metadata": "/xcache/d1/data",
        "xcache_file_watermarks": [0.3, 0.4, 0.5],
        "xcache_workload": "whole-file",
        "xcache_readers": 400,
        "xcache_settings_extra": {"pfc.writequeue": "32 8"},
        "xcache_probe_path": "/store/probe",
    },
}
FAMILIES = ["Debian", "RedHat"]
each_case = pytest.mark.parametrize("case", CASES)
each_family = pytest.mark.parametrize("family", FAMILIES)
# XRootD has no comments behind values; a word `#` ends a line for some parts of it and not for others.
LINE = re.compile(r"ofs\.authorize|(all|xrd|xrootd|ofs|oss|acc|sec|pss|pfc|http)\.[a-z2]+( \S+)+")


def rendered(make: Callable[..., Any], case: str, family: str) -> dict[str, str]:
    """Every file that a host gets: name -> text."""
    host = make(family, **CASES[case])
    files = {}
    for listing in ("__xcache_files", "__xcache_units"):
        for item in host.template(trust_as_template(f"{{{{ {listing} }}}}")):
            name = Path(item.get("path", item.get("name"))).name
            if item["here"] in (True, "True"):
                source = (ROLE / "templates" / f"{name}.j2").read_text(encoding="utf-8")
                files[name] = str(host.template(trust_as_template(source)))
    if CASES[case].get("xcache_allowed_subnets"):
        source = (ROLE / "templates" / "casa-subnets.nft.j2").read_text(encoding="utf-8")
        files["casa-subnets.nft"] = str(host.template(trust_as_template(source)))
    unit = next(
        entry
        for entry in loaded(ROLE / "state.yml")["resources"]
        if entry.get("unit") == "xrootd@casa.service"
    )
    files["xrootd@casa.service.d/casa.conf"] = str(host.template(trust_as_template(unit["drop_ins"]["casa"])))
    packages = host.template(trust_as_template("{{ __xcache_all_packages | join(' ') }}"))
    return {**files, "packages": f"{packages}\n"}


@each_case
@each_family
def test_files_are_as_reviewed(templar: Callable[..., Any], case: str, family: str) -> None:
    text = "".join(f"==== {name}\n{content}" for name, content in rendered(templar, case, family).items())
    golden = HERE / "golden" / f"{case}-{family}.txt"
    if os.environ.get("CASA_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@each_case
@each_family
def test_every_line_is_a_directive_with_words(templar: Callable[..., Any], case: str, family: str) -> None:
    lines = rendered(templar, case, family)["xrootd-casa.cfg"].splitlines()
    assert [line for line in lines if not LINE.fullmatch(line) or "#" in line] == []


@pytest.mark.parametrize(
    "line", ["pfc.ram", "pfc.ram 1g # why", "ram 1g", "pfc.ram  1g", "", "ofs.authorize # x"]
)
def test_a_wrong_line_is_found(line: str) -> None:
    assert not LINE.fullmatch(line) or "#" in line


@each_case
def test_a_secret_is_in_no_file_that_others_read(templar: Callable[..., Any], case: str) -> None:
    assert "canary" not in "".join(rendered(templar, case, "Debian").values())


@each_case
def test_tokens_need_tls_everywhere(templar: Callable[..., Any], case: str) -> None:
    text = rendered(templar, case, "Debian")["xrootd-casa.cfg"]
    if "sec.protocol ztn" in text:
        assert "\nxrootd.tls all\n" in text
        assert not re.search(r"^xrd\.protocol http:", text, re.MULTILINE)
    else:
        assert "header2cgi" not in text


@each_case
def test_only_opendata_is_anonymous(templar: Callable[..., Any], case: str) -> None:
    text = rendered(templar, case, "Debian")["xrootd-casa.cfg"]
    assert ("ofs.authorize" in text) == (case != "opendata")


@each_case
def test_every_profile_and_case_is_accepted(templar: Callable[..., Any], case: str) -> None:
    assert templar("Debian", **CASES[case]).template(trust_as_template("{{ __xcache_findings }}")) == []


@each_case
def test_xrootd_reads_it(templar: Callable[..., Any], case: str, tmp_path: Path) -> None:
    program = shutil.which("cconfig")
    if program is None:
        pytest.skip("cconfig of xrootd-server is not on this computer")
    text = rendered(templar, case, "Debian")["xrootd-casa.cfg"]
    (tmp_path / "casa.cfg").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [program, "-c", str(tmp_path / "casa.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.split() == text.split()
