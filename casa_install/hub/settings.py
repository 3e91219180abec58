"""What cannot work in a hub's settings, known before anything is changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY = re.compile(r"[1-9][0-9]*[MGT]")

_OURS = "/etc/casa-install/tls/"
"""Where role `trust` puts certificates that it makes."""

_PROFILE = re.compile(r"[a-z0-9][a-z0-9-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LEAST_UID = 1000
_MOST_UID = 4_294_967_293
"""(uid_t) -1 and -2 mean nobody in system calls and on NFS."""

_LEAST_LOGIN = 3600
"""JupyterHub counts the age of its cookies in days; less than an hour is no working session."""

_PORTS = range(1, 65536)
_HUB_PORTS = {8001: "the proxy's API", 8002: "the proxy's numbers", 8081: "the hub's API"}


def hub_setting_findings(options: dict[str, Any]) -> list[str]:
    """Return what is wrong with a hub's settings, each with what to do, in the order of the documentation.

    Args:
        options: The role's variables without their prefix; secrets as whether they are given.
    """
    return [
        *_address(options),
        *_login(options),
        *_allow(options),
        *_accounts(options),
        *_sessions(options),
        *_shown(options),
        *_database(options),
    ]


def _address(options: dict[str, Any]) -> Iterator[str]:
    url = str(options["url"])
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        yield (
            f"notebook_url is `{url}`: it must be `https://` and the host's full name, with a port if need "
            "be, because browsers send passwords and sessions there"
        )
    elif parts.path:
        yield (
            f"notebook_url is `{url}`: it must end with the host's name or the port, without a path and "
            "a slash"
        )
    ports = {"notebook_port": int(options["port"]), "notebook_redirect_port": int(options["redirect_port"])}
    for name, port in ports.items():
        if port == 0 and name == "notebook_redirect_port":
            continue
        if port not in _PORTS:
            yield f"{name} is {port}: a port is a number from 1 to 65535"
        elif port in _HUB_PORTS:
            yield f"{name} is {port}, which {_HUB_PORTS[port]} has on this host: take another"
    if len(set(ports.values())) < len(ports):
        yield f"notebook_port and notebook_redirect_port are both {ports['notebook_port']}: take two ports"
    if int(options["hsts_seconds"]) < 0:
        yield "notebook_hsts_seconds is negative: give seconds, or 0 for none"


def _login(options: dict[str, Any]) -> Iterator[str]:
    kind = options["login"]
    if kind == "pam":
        return
    issuer = str(options["login_issuer"])
    if kind != "cilogon" and not issuer:
        yield f"notebook_login is {kind}, but notebook_login_issuer is empty: give the provider's address"
    if issuer and (urlsplit(issuer).scheme != "https" or not urlsplit(issuer).hostname):
        yield f"notebook_login_issuer is `{issuer}`: it must begin with https://"
    if not options["login_client_id"]:
        yield (
            f"notebook_login is {kind}, but notebook_login_client_id is empty: register the hub at the "
            f"provider with the redirect address {options['url']}/hub/oauth_callback"
        )
    if not options["login_client_secret"]:
        yield (
            f"notebook_login is {kind}, but notebook_login_client_secret is empty: put it into the site's "
            "vault"
        )
    if int(options["login_seconds"]) < _LEAST_LOGIN:
        yield f"notebook_login_seconds is {options['login_seconds']}: an hour ({_LEAST_LOGIN}) is the least"
    if kind == "cilogon" and not options["login_cilogon_idps"]:
        yield (
            "notebook_login is cilogon, but notebook_login_cilogon_idps is empty: name the identity "
            "providers whose users may log in, for example https://idp.example.edu/idp/shibboleth"
        )


def _allow(options: dict[str, Any]) -> Iterator[str]:
    allow = options["allow"]
    if not (allow.get("all") or allow.get("users") or allow.get("groups")):
        yield (
            "notebook_allow admits nobody: give `users`, `groups` or `all: true`. A hub without such a rule "
            "would refuse every login"
        )
    if options["login"] == "generic" and allow.get("groups") and not options["login_groups_claim"]:
        yield (
            "notebook_allow has groups, but notebook_login_groups_claim is empty: name the claim in which "
            "the provider lists them"
        )


def _accounts(options: dict[str, Any]) -> Iterator[str]:
    if options["accounts"] != "made":
        return
    least, most = int(options["uid_min"]), int(options["uid_max"])
    if least < _LEAST_UID or most > _MOST_UID:
        yield (
            f"notebook_uid_min {least} and notebook_uid_max {most} must lie from {_LEAST_UID} to "
            f"{_MOST_UID}: lower ones belong to the system"
        )
    if least >= most:
        yield f"notebook_uid_min {least} must be less than notebook_uid_max {most}"
    if options["login"] == "pam":
        yield (
            "notebook_accounts is made, but notebook_login is pam: who logs in by PAM has an account; "
            "set existing"
        )
    for name in ("home", "shell"):
        if not str(options[name]).startswith("/"):
            yield f"notebook_{name} is `{options[name]}`: it must be an absolute path"


def _sessions(options: dict[str, Any]) -> Iterator[str]:
    if not str(options["environment"]).startswith("/"):
        yield f"notebook_environment is `{options['environment']}`: it must be an absolute path"
    if not _MEMORY.fullmatch(str(options["memory"])):
        yield f"notebook_memory is `{options['memory']}`: give a number with M, G or T, for example 4G"
    if float(options["cpu"]) <= 0:
        yield f"notebook_cpu is {options['cpu']}: give cores, more than 0"
    if int(options["start_seconds"]) < 1:
        yield "notebook_start_seconds must be at least 1"
    for name in ("idle_seconds", "max_age_seconds"):
        if int(options[name]) < 0:
            yield f"notebook_{name} is negative: give seconds, or 0 for never"
    for name, value in options["session_environment"].items():
        if not _VARIABLE.fullmatch(str(name)) or "\n" in str(value):
            yield (
                f"notebook_session_environment has `{name}`: names are letters, digits and _, "
                "values are one line"
            )
    yield from _profiles(options["profiles"])


def _profiles(profiles: list[dict[str, Any]]) -> Iterator[str]:
    names = [str(profile.get("name", "")) for profile in profiles]
    for name in dict.fromkeys(names):
        if not _PROFILE.fullmatch(name):
            yield f"notebook_profiles has the name `{name}`: take small letters, digits and hyphens"
        if names.count(name) > 1:
            yield f"notebook_profiles has the name `{name}` more than once"
    for profile in profiles:
        memory = profile.get("memory")
        if memory and not _MEMORY.fullmatch(str(memory)):
            yield f"notebook_profiles: the memory of `{profile.get('name')}` is `{memory}`: write it like 4G"
        if profile.get("cpu") is not None and float(profile["cpu"]) <= 0:
            yield f"notebook_profiles: the cores of `{profile.get('name')}` are {profile['cpu']}: give some"


def _shown(options: dict[str, Any]) -> Iterator[str]:
    for link in options["help_links"]:
        url = str(link.get("url", ""))
        if urlsplit(url).scheme not in ("https", "http", "mailto"):
            yield f"notebook_help_links has `{url}`: links begin with https://, http:// or mailto:"


def _database(options: dict[str, Any]) -> Iterator[str]:
    url = options["database_url"]
    if options["database"] == "postgresql" and not url:
        yield (
            "notebook_database is postgresql, but notebook_database_url is empty: put "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE into the site's vault"
        )
    if options["database"] == "sqlite" and url:
        yield "notebook_database_url is given, but notebook_database is sqlite: set it to postgresql"


def hub_host_findings(look: dict[str, Any], options: dict[str, Any], planned: bool) -> list[str]:
    """Return what on a host keeps a hub from running there.

    Args:
        look: What the role's `files/look.py` printed; empty before the first look.
        options: As for `hub_setting_findings`.
        planned: Nothing is changed in this run, so that a certificate of ours may not be made yet.
    """
    findings = []
    for name in ("certificate", "certificate_key"):
        path = str(options[name])
        if path in look.get("missing", ()) and not (planned and path.startswith(_OURS)):
            findings.append(
                f"notebook_{name} is `{path}`, which is not on the host: give the site its authority "
                "(`casa-install certs ca`) or set `trust_certificates`, see docs/certificates.md"
            )
    findings += [
        f"port {port} is in use on the host by something else: stop that, or set "
        f"{'notebook_port' if port == int(options['port']) else 'notebook_redirect_port'}"
        for port in look.get("taken", ())
    ]
    return findings
