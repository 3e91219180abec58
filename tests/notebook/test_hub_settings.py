"""What the hub takes as settings and secrets, and what it refuses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from casa_hub.settings import SettingsError, read_secrets, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[dict[str, Any]], Path]


def test_what_is_not_said_has_its_default(good: dict[str, Any], written: Write) -> None:
    site = read_settings(written(good))
    assert site.allow.groups == ("physics",)
    assert site.accounts.rule == "existing"
    assert site.session.environment == "/opt/casa/env/current"
    assert site.session.hardening
    assert not site.admin_access


def test_what_is_said_is_taken(good: dict[str, Any], written: Write) -> None:
    good["session"] = {"memory": "512M", "cpu": 1}
    good["profiles"] = [{"name": "big", "title": "Big", "memory": "64G", "cpu": 16}]
    good["environment"] = {"CASA_SITE": "example"}
    site = read_settings(written(good))
    assert (site.session.memory, site.session.cpu) == ("512M", 1.0)
    assert site.profiles[0].cpu == 16.0
    assert site.environment == {"CASA_SITE": "example"}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("allow", {}, "allow is empty, so nobody could log in"),
        ("allow", {"users": "ada"}, "settings.allow.users is 'ada', which is the wrong type"),
        ("alow", {}, "settings has no key alow"),
        ("name", None, "settings.name is None"),
        ("url", "http://hub.example.edu", "logins need https"),
        ("login.kind", "github", "not one of cilogon, iam, keycloak, generic, pam"),
        ("login.issuer", "http://sso.example.edu", "not an https URL"),
        ("login.client_id", "", "login.client_id is empty"),
        ("login", {"kind": "pam"}, ""),
        ("database", "mysql", "not sqlite or postgresql"),
        ("accounts", {"rule": "maybe"}, "not existing or made"),
        ("accounts", {"uid_min": 0}, "no range above 0"),
        ("accounts", {"uid_min": True}, "wrong type"),
        ("session", {"memory": "4 GB"}, "not like 512M or 4G"),
        ("session", {"cpu": 0}, "not above 0"),
        ("profiles", [{"name": "a", "title": "A", "memory": "1G", "cpu": 1}] * 2, "the same name"),
        ("profiles", [{"name": "a", "title": "A", "cpu": 1}], "settings.profiles[0].memory is missing"),
        ("environment", {"A": 1}, "wrong type"),
    ],
)
def test_contradictions_are_refused(
    good: dict[str, Any], written: Write, path: str, value: object, said: str
) -> None:
    *way, last = path.split(".")
    at = good
    for step in way:
        at = at[step]
    at[last] = value
    if not said:
        read_settings(written(good))
        return
    with pytest.raises(SettingsError) as caught:
        read_settings(written(good))
    assert said in str(caught.value)


def test_pam_cannot_make_accounts(good: dict[str, Any], written: Write) -> None:
    good |= {"login": {"kind": "pam"}, "accounts": {"rule": "made"}}
    with pytest.raises(SettingsError, match="knows existing accounts only"):
        read_settings(written(good))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.chmod(0o640), "can be read by others (mode 0640)"),
        (lambda path: path.chmod(0o604), "can be read by others"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_text(""), "is empty"),
        (lambda path: path.write_text("short"), "64 hex digits"),
        (lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "must be a file of uid"),
    ],
)
def test_loose_secrets_are_refused(
    good: dict[str, Any], written: Write, change: Callable[[Path], object], said: str
) -> None:
    path = written(good)
    site = read_settings(path)
    directory = path.parent / "secrets"
    assert read_secrets(directory, site, os.getuid()).client_secret
    change(directory / "cookie_secret")
    with pytest.raises(SettingsError) as caught:
        read_secrets(directory, site, os.getuid())
    assert said in str(caught.value)
    assert "00000000" not in str(caught.value)


def test_secrets_of_somebody_else_are_refused(good: dict[str, Any], written: Write) -> None:
    path = written(good)
    with pytest.raises(SettingsError, match="must be a file of uid"):
        read_secrets(path.parent / "secrets", read_settings(path), os.getuid() + 1)


def test_no_traceback_shows_a_secret(good: dict[str, Any], written: Write) -> None:
    path = written(good)
    secrets = read_secrets(path.parent / "secrets", read_settings(path), os.getuid())
    assert secrets.cookie_secret not in repr(secrets)


def test_a_key_to_decrypt_with_may_follow(good: dict[str, Any], written: Write) -> None:
    path = written(good)
    (path.parent / "secrets" / "crypt_key").write_text("a" * 64 + "\n" + "b" * 64 + "\n")
    secrets = read_secrets(path.parent / "secrets", read_settings(path), os.getuid())
    assert secrets.crypt_keys == ("a" * 64, "b" * 64)


def test_postgresql_needs_its_address(good: dict[str, Any], written: Write) -> None:
    good["database"] = "postgresql"
    path = written(good)
    with pytest.raises(SettingsError, match="database_url is missing"):
        read_secrets(path.parent / "secrets", read_settings(path), os.getuid())
