"""What the role refuses before anything is changed, each with its message."""

from __future__ import annotations

from typing import Any

import pytest

from casa_install.hub.settings import hub_host_findings, hub_setting_findings

GOOD: dict[str, Any] = {
    "url": "https://hub.t3.example.org",
    "port": 443,
    "redirect_port": 80,
    "hsts_seconds": 31536000,
    "login": "keycloak",
    "login_issuer": "https://sso.example.org/realms/t3",
    "login_client_id": "hub",
    "login_client_secret": "given",
    "login_groups_claim": "",
    "login_cilogon_idps": [],
    "login_seconds": 86400,
    "allow": {"users": ["ada"], "groups": [], "all": False},
    "accounts": "existing",
    "uid_min": 200000,
    "uid_max": 299999,
    "home": "/home",
    "shell": "/bin/bash",
    "environment": "/opt/casa/env/current",
    "memory": "4G",
    "cpu": 2.0,
    "start_seconds": 120,
    "idle_seconds": 0,
    "max_age_seconds": 0,
    "session_environment": {},
    "profiles": [],
    "help_links": [],
    "database": "sqlite",
    "database_url": "",
    "certificate": "/etc/casa-install/tls/host/cert.pem",
    "certificate_key": "/etc/casa-install/tls/host/key.pem",
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "https://hub.t3.example.org:8443", "port": 8443, "redirect_port": 0},
        {"login": "pam", "login_issuer": "", "login_client_id": "", "login_client_secret": ""},
        {"login": "cilogon", "login_issuer": "", "login_cilogon_idps": ["https://idp.example.org/idp"]},
        {"accounts": "made"},
        {"database": "postgresql", "database_url": "given"},
        {"profiles": [{"name": "big", "memory": "8G", "cpu": 4}, {"name": "small"}]},
        {"allow": {"all": True}},
    ],
)
def test_settings_that_can_work_are_taken(options: dict[str, Any]) -> None:
    assert hub_setting_findings(GOOD | options) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://hub.t3.example.org"}, "it must be `https://`"),
        ({"url": "https://"}, "it must be `https://`"),
        ({"url": "https://ada@hub.t3.example.org"}, "it must be `https://`"),
        ({"url": "https://hub.t3.example.org/"}, "without a path and a slash"),
        ({"port": 0}, "a port is a number from 1 to 65535"),
        ({"redirect_port": 70000}, "a port is a number from 1 to 65535"),
        ({"port": 8081}, "which the hub's API has"),
        ({"redirect_port": 443}, "are both 443"),
        ({"hsts_seconds": -1}, "notebook_hsts_seconds is negative"),
        ({"login_issuer": ""}, "notebook_login_issuer is empty"),
        ({"login_issuer": "http://sso.example.org"}, "it must begin with https://"),
        ({"login_client_id": ""}, "redirect address https://hub.t3.example.org/hub/oauth_callback"),
        ({"login_client_secret": ""}, "notebook_login_client_secret is empty"),
        ({"login_seconds": 60}, "an hour (3600) is the least"),
        ({"login": "cilogon"}, "notebook_login_cilogon_idps is empty"),
        ({"allow": {}}, "notebook_allow admits nobody"),
        ({"allow": {"users": [], "groups": [], "all": False}}, "notebook_allow admits nobody"),
        ({"login": "generic", "allow": {"groups": ["casa"]}}, "notebook_login_groups_claim is empty"),
        ({"accounts": "made", "uid_min": 999}, "lower ones belong to the system"),
        ({"accounts": "made", "uid_max": 2**32}, "must lie from"),
        ({"accounts": "made", "uid_min": 300000}, "must be less than notebook_uid_max"),
        ({"accounts": "made", "login": "pam"}, "who logs in by PAM has an account"),
        ({"accounts": "made", "home": "home"}, "it must be an absolute path"),
        ({"environment": "env"}, "it must be an absolute path"),
        ({"memory": "lots"}, "give a number with M, G or T"),
        ({"cpu": 0}, "give cores, more than 0"),
        ({"start_seconds": 0}, "must be at least 1"),
        ({"idle_seconds": -1}, "or 0 for never"),
        ({"session_environment": {"A B": "1"}}, "has `A B`"),
        ({"session_environment": {"A": "1\nLD_PRELOAD=x"}}, "values are one line"),
        ({"profiles": [{"name": "Big"}]}, "take small letters, digits and hyphens"),
        ({"profiles": [{"name": "big"}, {"name": "big"}]}, "more than once"),
        ({"profiles": [{"name": "big", "memory": "8"}]}, "write it like 4G"),
        ({"profiles": [{"name": "big", "cpu": 0}]}, "give some"),
        ({"help_links": [{"title": "x", "url": "javascript:alert(1)"}]}, "links begin with"),
        ({"database": "postgresql"}, "notebook_database_url is empty"),
        ({"database_url": "given"}, "set it to postgresql"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    found = hub_setting_findings(GOOD | options)
    assert len(found) == 1
    assert message in found[0]


def test_a_certificate_that_is_missing_is_refused() -> None:
    look = {"missing": [GOOD["certificate"], GOOD["certificate_key"]], "taken": []}
    found = hub_host_findings(look, GOOD, planned=False)
    assert [finding.partition(",")[0] for finding in found] == [
        "notebook_certificate is `/etc/casa-install/tls/host/cert.pem`",
        "notebook_certificate_key is `/etc/casa-install/tls/host/key.pem`",
    ]


def test_a_dry_run_knows_that_ours_will_be_made_and_that_the_sites_own_will_not() -> None:
    own = GOOD | {"certificate": "/srv/cert.pem"}
    assert hub_host_findings({"missing": [GOOD["certificate"]]}, GOOD, planned=True) == []
    assert len(hub_host_findings({"missing": ["/srv/cert.pem"]}, own, planned=True)) == 1


def test_a_port_of_something_else_is_refused_with_the_option_that_chooses_it() -> None:
    found = hub_host_findings({"missing": [], "taken": [443, 80]}, GOOD, planned=False)
    assert "set notebook_port" in found[0]
    assert "set notebook_redirect_port" in found[1]
