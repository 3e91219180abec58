"""What the hub is told: `/etc/casa-hub/settings.json` and the secrets beside it.

The role `notebook` writes both; this page is what both sides agree on. `settings.json` has no secret in it:

    {
      "name": "Example Tier-3",                 the facility's name, for people
      "url": "https://hub.example.edu/",        what users type
      "hub_host": "hub.example.edu",            the host's own full name
      "state_directory": "/var/lib/casa-hub",   of root, 0700
      "database": "sqlite",                     or "postgresql": then the secret `database_url` says where
      "proxy": {"api_url": "http://127.0.0.1:8001"},
      "login": {
        "kind": "keycloak",                     cilogon, iam, keycloak, generic or pam
        "issuer": "https://sso.example.edu/realms/t3",
        "client_id": "casa",
        "username_claim": "",                   empty: what `login.PROVIDERS` says for the kind
        "groups_claim": "",
        "scope": [],
        "ca_bundle": "",                        empty: the system's
        "audience": "",                         asked of the provider for the access token
        "idps": [],                             CILogon only: entity IDs of those that may be used
        "domain": "",                           taken off `name@domain` before accounts are looked for
        "button": "",                           on the login page; empty: the kind's name
        "session_seconds": 86400                how long a login lasts at most
      },
      "allow": {"users": [], "groups": [], "all": false},
      "admins": [],                           see who is there, stop sessions, remove users
      "admin_access": false,                  they may also enter everybody's session
      "accounts": {"rule": "existing", "uid_min": 1000, "uid_max": 60000,
                   "shell": "/bin/bash", "home": "/home"},
      "session": {
        "environment": "/opt/casa/env/current", "memory": "4G", "cpu": 2.0, "start_timeout": 60,
        "working_directory": "",                empty: the user's home; {account} and {home} are filled in
        "hardening": true, "idle_seconds": 7200, "max_age_seconds": 0
      },
      "profiles": [{"name": "large", "title": "8 cores, 32 GB", "memory": "32G", "cpu": 8.0}],
      "announcement": "",
      "help_links": [{"title": "How to start", "url": "https://..."}],
      "environment_directory": "/etc/casa-install/environment.d",
      "environment": {"CASA_SITE": "example"},
      "metrics": true
    }

Names in `allow` and `admins` are those that the provider gives in `username_claim` (accounts with `pam`), so
that nobody gets in because an account was named after him. `state_directory`, `session.environment` and the
rest have the defaults shown, only `name`, `url`, `hub_host`, `login` and `allow` must be given. A key that is
not named here is refused. `idle_seconds` and `max_age_seconds` of 0 mean never.

Secrets, one a file in `secrets/` beside `settings.json`, of root, 0600 or less:

    client_secret   of the login provider; not with `pam`
    cookie_secret   64 hex digits
    crypt_key       64 hex digits a line; the first encrypts `auth_state`, the others still decrypt
    proxy_token     what the proxy's API wants
    database_url    with `postgresql` only
    metrics_token   optional: whoever shows it may read /hub/metrics
"""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from casa_hub.typed import WrongTypeError, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = Path("/etc/casa-hub/settings.json")
KINDS = ("cilogon", "iam", "keycloak", "generic", "pam")


class SettingsError(Exception):
    """Settings that cannot be used; says where and why."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy's own API, on this host only."""

    api_url: str = "http://127.0.0.1:8001"


@dataclass(frozen=True, slots=True)
class Login:
    """Who says who somebody is."""

    kind: str
    issuer: str = ""
    client_id: str = ""
    username_claim: str = ""
    groups_claim: str = ""
    scope: tuple[str, ...] = ()
    ca_bundle: str = ""
    audience: str = ""
    idps: tuple[str, ...] = ()
    domain: str = ""
    button: str = ""
    session_seconds: int = 86400


@dataclass(frozen=True, slots=True)
class Allow:
    """Who may use the hub. Nobody may where all three are empty."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    all: bool = False


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where accounts come from: `existing` ones of the host, or `made` within a range of uids."""

    rule: str = "existing"
    uid_min: int = 1000
    uid_max: int = 60000
    shell: str = "/bin/bash"
    home: str = "/home"


@dataclass(frozen=True, slots=True)
class Session:
    """What a session gets, and when it ends."""

    environment: str = "/opt/casa/env/current"
    memory: str = "4G"
    cpu: float = 2.0
    start_timeout: int = 60
    working_directory: str = ""
    hardening: bool = True
    idle_seconds: int = 7200
    max_age_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """A size of session that users may choose."""

    name: str
    title: str
    memory: str
    cpu: float


@dataclass(frozen=True, slots=True)
class HelpLink:
    """A link of the landing page."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything of `settings.json`; the module says what each means."""

    name: str
    url: str
    hub_host: str
    login: Login
    allow: Allow
    state_directory: Path = Path("/var/lib/casa-hub")
    database: str = "sqlite"
    proxy: Proxy = field(default_factory=Proxy)
    admins: tuple[str, ...] = ()
    admin_access: bool = False
    accounts: Accounts = field(default_factory=Accounts)
    session: Session = field(default_factory=Session)
    profiles: tuple[Profile, ...] = ()
    announcement: str = ""
    help_links: tuple[HelpLink, ...] = ()
    environment_directory: Path = Path("/etc/casa-install/environment.d")
    environment: dict[str, str] = field(default_factory=dict)
    metrics: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What only root may read. It has no `repr`, so that no traceback shows it."""

    cookie_secret: str
    crypt_keys: tuple[str, ...]
    proxy_token: str
    client_secret: str = ""
    database_url: str = ""
    metrics_token: str = ""


def read_settings(path: Path = PATH) -> Settings:
    """Read and check `settings.json`.

    Raises:
        SettingsError: It is not there, has a wrong type or an unknown key, or values that contradict.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise SettingsError(f"{path}: {fault}") from fault
    try:
        settings = typed(Settings, said, "settings")
    except WrongTypeError as fault:
        raise SettingsError(f"{path}: {fault}") from fault
    faults = list(_contradictions(settings))
    if faults:
        raise SettingsError(f"{path}: " + "; ".join(faults))
    return settings


def read_secrets(directory: Path, settings: Settings, owner: int = 0) -> Secrets:
    """Read the secrets that these settings need.

    Args:
        directory: Where they are.
        settings: Say which are needed.
        owner: The uid that they must belong to.

    Raises:
        SettingsError: One is missing, malformed, not the owner's or readable by others. It never shows any.
    """

    def secret(name: str, *, needed: bool) -> str:
        path = directory / name
        try:
            found = path.lstat()
        except FileNotFoundError:
            if needed:
                raise SettingsError(f"{path} is missing") from None
            return ""
        if not stat.S_ISREG(found.st_mode) or found.st_uid != owner:
            raise SettingsError(f"{path} must be a file of uid {owner}")
        if found.st_mode & 0o077:
            raise SettingsError(
                f"{path} can be read by others (mode {found.st_mode & 0o777:04o}): chmod 0600"
            )
        text = path.read_text(encoding="utf-8").strip()
        if needed and not text:
            raise SettingsError(f"{path} is empty")
        return text

    keys = tuple(secret("crypt_key", needed=True).split())
    cookie = secret("cookie_secret", needed=True)
    if not all(re.fullmatch(r"[0-9a-f]{64}", key) for key in (*keys, cookie)):
        raise SettingsError(
            f"{directory}: crypt_key and cookie_secret are 64 hex digits (openssl rand -hex 32)"
        )
    return Secrets(
        cookie_secret=cookie,
        crypt_keys=keys,
        proxy_token=secret("proxy_token", needed=True),
        client_secret=secret("client_secret", needed=settings.login.kind != "pam"),
        database_url=secret("database_url", needed=settings.database == "postgresql"),
        metrics_token=secret("metrics_token", needed=False),
    )


def _contradictions(settings: Settings) -> Iterator[str]:
    login, allow, accounts = settings.login, settings.allow, settings.accounts
    if urlsplit(settings.url).scheme != "https":
        yield f"url is {settings.url!r}; logins need https"
    if login.kind not in KINDS:
        yield f"login.kind is {login.kind!r}, not one of {', '.join(KINDS)}"
    elif login.kind != "pam":
        if urlsplit(login.issuer).scheme != "https":
            yield f"login.issuer is {login.issuer!r}, not an https URL"
        if not login.client_id:
            yield "login.client_id is empty"
    elif accounts.rule == "made":
        yield "accounts.rule is made, but login.kind pam knows existing accounts only"
    if not (allow.all or allow.users or allow.groups):
        yield "allow is empty, so nobody could log in: give users, groups or all"
    if settings.database not in ("sqlite", "postgresql"):
        yield f"database is {settings.database!r}, not sqlite or postgresql"
    if accounts.rule not in ("existing", "made"):
        yield f"accounts.rule is {accounts.rule!r}, not existing or made"
    if not 0 < accounts.uid_min <= accounts.uid_max:
        yield "accounts.uid_min and uid_max are no range above 0"
    sizes = [(settings.session.memory, settings.session.cpu)]
    sizes += [(profile.memory, profile.cpu) for profile in settings.profiles]
    for memory, cpu in sizes:
        if not re.fullmatch(r"[1-9][0-9]*[MGT]", memory):
            yield f"memory is {memory!r}, not like 512M or 4G"
        if cpu <= 0:
            yield f"cpu is {cpu}, not above 0"
    names = [profile.name for profile in settings.profiles]
    if len(set(names)) != len(names):
        yield "two profiles have the same name"
