"""Who somebody is, and whether he may come in: OpenID Connect by discovery, or the host's PAM."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jupyterhub.auth import PAMAuthenticator
from traitlets import Any as AnyTrait

from casa_hub.accounts import LOCAL, AccountError, Identity
from casa_hub.allow import ADMINS, Rule, refused
from casa_hub.oidc import OidcLogin

if TYPE_CHECKING:
    from casa_hub.accounts import Keeper
    from casa_hub.settings import Login, Secrets, Settings


@dataclass(frozen=True, slots=True)
class Provider:
    """What is usual with a kind of provider."""

    button: str
    username_claim: str
    groups_claim: str
    scope: tuple[str, ...]


PROVIDERS = {
    "cilogon": Provider(
        "CILogon", "eppn", "isMemberOf", ("openid", "email", "profile", "org.cilogon.userinfo")
    ),
    "iam": Provider("IAM", "preferred_username", "groups", ("openid", "email", "profile", "offline_access")),
    "keycloak": Provider("Keycloak", "preferred_username", "groups", ("openid", "email", "profile")),
    "generic": Provider("single sign-on", "preferred_username", "groups", ("openid", "email", "profile")),
}


class LocalLogin(PAMAuthenticator):  # type: ignore[misc]
    """Accounts and passwords of the host."""

    rule = AnyTrait(help="Who may come in.").tag(config=True)
    keeper = AnyTrait(help="Gives accounts.").tag(config=True)

    def normalize_username(self, username: str) -> str:
        """Leave the name as PAM took it."""
        return username

    async def authenticate(self, handler: Any, data: Any = None) -> Any:
        """Ask PAM, then the rule.

        Raises:
            web.HTTPError: The password is right, but he may not come in.
        """
        name = await super().authenticate(handler, data)
        if not name:
            return None
        groups = frozenset(await asyncio.to_thread(local_groups, name))
        if not self.rule.admits(name, groups):
            raise refused(f"This facility does not let {name} in. Ask its admins if you should be.")
        try:
            account = await asyncio.to_thread(self.keeper.account_of, Identity(LOCAL, name, name))
        except AccountError as fault:
            raise refused(f"You may come in, but you have no account here: {fault}.") from fault
        return {"name": account, "admin": False, "groups": [ADMINS] if name in self.rule.admins else []}

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None) -> bool:
        """Whoever comes here was let in by `authenticate`."""
        return auth_model is not None and bool(username)


def local_groups(name: str) -> list[str]:
    """Return the names of the groups of an account."""
    person = pwd.getpwnam(name)
    names = []
    for gid in os.getgrouplist(name, person.pw_gid):
        try:
            names.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue
    return names


def completed(login: Login) -> Login:
    """Return the login with what is usual for its kind where the site says nothing."""
    usual = PROVIDERS[login.kind]
    return replace(
        login,
        username_claim=login.username_claim or usual.username_claim,
        groups_claim=login.groups_claim or usual.groups_claim,
        scope=login.scope or usual.scope,
        button=login.button or usual.button,
    )


def configure(c: Any, site: Settings, secrets: Secrets, keeper: Keeper) -> None:
    """Fill the authenticator's configuration."""
    rule = Rule(
        users=frozenset(site.allow.users),
        groups=frozenset(site.allow.groups),
        everybody=site.allow.all,
        admins=frozenset(site.admins),
    )
    c.Authenticator.enable_auth_state = True
    # The rule is `Rule`'s, in terms of claims; JupyterHub's own is in terms of accounts.
    c.Authenticator.any_allow_config = True
    c.Authenticator.allow_existing_users = False
    c.Authenticator.auto_login = False
    c.Authenticator.manage_groups = True
    if site.login.kind == "pam":
        c.JupyterHub.authenticator_class = LocalLogin
        c.LocalLogin.rule, c.LocalLogin.keeper = rule, keeper
        return
    login = completed(site.login)
    c.JupyterHub.authenticator_class = OidcLogin
    oidc = c.OidcLogin
    oidc.login, oidc.rule, oidc.keeper = login, rule, keeper
    oidc.client_id, oidc.client_secret = login.client_id, secrets.client_secret
    oidc.oauth_callback_url = site.url.rstrip("/") + "/hub/oauth_callback"
    oidc.login_service = login.button
    oidc.scope = list(login.scope)
    oidc.enable_pkce = True
    oidc.auth_refresh_age = 300
    oidc.refresh_pre_spawn = True
    if login.ca_bundle:
        oidc.http_request_kwargs = {"ca_certs": login.ca_bundle}
