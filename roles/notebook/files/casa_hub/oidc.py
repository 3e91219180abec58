"""Logins by OpenID Connect: one provider, known by its issuer, its endpoints by discovery."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import jwt
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado import web
from tornado.httpclient import HTTPClientError
from traitlets import Any as AnyTrait

from casa_hub.accounts import AccountError, Identity
from casa_hub.allow import ADMINS, PageError, refused

SECONDS = 15
FRESH = 3600
"""How long a discovery document is taken for true."""


class DiscoveringLoginHandler(OAuthLoginHandler):  # type: ignore[misc]
    """Asks the provider where to send people, before it sends them."""

    async def get(self) -> None:
        """Send the browser to the provider."""
        await self.authenticator.discover()
        super().get()

    def authorize_redirect(self, *arguments: Any, **named: Any) -> Any:
        """Add what this provider takes besides what OpenID Connect has."""
        named.setdefault("extra_params", {}).update(self.authenticator.extra_fields())
        return super().authorize_redirect(*arguments, **named)


class DiscoveringCallbackHandler(OAuthCallbackHandler):  # type: ignore[misc]
    """Takes a browser back from the provider."""

    async def get(self) -> None:
        """Log in who comes back."""
        # RFC 9207: an answer of another issuer than the one that was asked.
        issuer = self.get_argument("iss", "")
        if issuer and issuer != self.authenticator.login.issuer:
            raise refused("The answer came from another login provider than the one that was asked.")
        await self.authenticator.discover()
        await super().get()


class OidcLogin(GenericOAuthenticator):  # type: ignore[misc]
    """One provider of OpenID Connect, known by its issuer."""

    login = AnyTrait(help="`casa_hub.settings.Login`, complete.").tag(config=True)
    rule = AnyTrait(help="Who may come in.").tag(config=True)
    keeper = AnyTrait(help="Gives accounts.").tag(config=True)
    login_handler = DiscoveringLoginHandler
    callback_handler = DiscoveringCallbackHandler
    _discovered = 0.0

    async def discover(self) -> None:
        """Take the endpoints from the provider's description (OpenID Connect Discovery 1.0, section 4)."""
        if self._discovered and time.monotonic() - self._discovered < FRESH:
            return
        issuer = self.login.issuer
        try:
            said = await self.httpfetch(
                issuer.rstrip("/") + "/.well-known/openid-configuration",
                label="Fetching the provider's description",
                request_timeout=SECONDS,
            )
            self._take(said)
        except (OSError, HTTPClientError, ValueError, KeyError, TypeError) as fault:
            if self._discovered:
                self.log.warning("%s cannot be asked (%s); what it said before is used", issuer, fault)
                return
            self.log.error("%s cannot be asked: %s", issuer, fault)  # noqa: TRY400  # no fault of the hub
            raise PageError(
                503,
                "The login provider does not answer. Sessions go on; try to log in again in a few minutes.",
                reason="The login provider does not answer",
            ) from fault
        self._discovered = time.monotonic()

    def _take(self, said: dict[str, Any]) -> None:
        if said["issuer"] != self.login.issuer:
            raise ValueError(f"it calls itself {said['issuer']!r}")
        ends = {
            name: str(said[name])
            for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
        }
        for name, url in ends.items():
            if urlsplit(url).scheme != "https":
                raise ValueError(f"its {name} is {url!r}, without TLS")
        self.authorize_url = ends["authorization_endpoint"]
        self.token_url = ends["token_endpoint"]
        self.userdata_url = ends["userinfo_endpoint"]
        # The default of the specification is client_secret_basic.
        ways = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        self.basic_auth = "client_secret_basic" in ways or "client_secret_post" not in ways

    def extra_fields(self) -> dict[str, str]:
        """Return what goes to the provider with a login."""
        fields = {}
        if self.login.audience:
            fields["audience"] = self.login.audience
        if self.login.idps:
            fields["selected_idp"] = ",".join(self.login.idps)
        return fields

    def user_info_to_username(self, user_info: dict[str, Any]) -> str:
        """Return the name that the provider gives; the account is found later, by who may come in."""
        return str(user_info.get(self.login.username_claim) or "")

    def normalize_username(self, username: str) -> str:
        """Leave names as they are: an account's has its form already, a claim is compared as it was given."""
        return username

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Let him in or refuse him, and name his account. Runs at a login and at each refresh.

        Raises:
            web.HTTPError: He may not come in, or has no account; its page says why.
        """
        state = auth_model["auth_state"]
        said = state[self.user_auth_state_key]
        identity = self._identity(said, state.get("id_token"))
        groups = groups_of(said, self.login.groups_claim)
        if not self.rule.admits(identity.claim, groups):
            self.log.warning("%s of %s is outside of the allow rule", identity.claim, identity.issuer)
            raise refused(
                f"You are known as {identity.claim}, and this facility does not let {identity.claim} in. "
                "Ask its admins if you should be."
            )
        try:
            account = await asyncio.to_thread(self.keeper.account_of, identity)
        except AccountError as fault:
            self.log.warning("%s of %s has no account: %s", identity.claim, identity.issuer, fault)
            raise refused(
                f"You may come in, but you have no account here: {fault}. Tell the facility's admins."
            ) from fault
        auth_model["name"] = account
        auth_model["admin"] = False
        state["casa_admin"] = identity.claim in self.rule.admins
        return auth_model

    async def get_user_groups(self, auth_state: dict[str, Any]) -> set[str]:
        """Return the hub's own groups; the provider's only say who comes in."""
        return {ADMINS} if auth_state.get("casa_admin") else set()

    def _identity(self, said: dict[str, Any], id_token: str | None) -> Identity:
        claim, subject = said.get(self.login.username_claim), said.get("sub")
        if not isinstance(claim, str) or not claim or not isinstance(subject, str) or not subject:
            raise refused(f"Your login provider does not say your {self.login.username_claim}.")
        verified = said.get("email_verified", True) in (True, "true")
        if self.login.username_claim == "email" and not verified:
            raise refused("Your login provider has not verified your e-mail address.")
        if self.login.idps and said.get("idp") not in self.login.idps:
            raise refused("This facility does not take logins of the institution that you chose.")
        if id_token:
            self._agrees(id_token, subject)
        email = str(said.get("email") or "") if verified else ""
        return Identity(self.login.issuer, subject, claim, email, str(said.get("name") or ""))

    def _agrees(self, id_token: str, subject: str) -> None:
        """Both answers must be of one person (OpenID Connect Core 1.0, section 5.3.2).

        The token came from the provider itself over TLS, which stands for its signature (section 3.1.3.7).
        Its end is that of the moment of the login, and a refresh may see it later.
        """
        try:
            says = jwt.decode(id_token, options={"verify_signature": False, "verify_aud": False})
        except jwt.PyJWTError as fault:
            raise refused("Your login provider sent an ID token that cannot be read.") from fault
        audience = says.get("aud")
        for_us = self.client_id in (audience if isinstance(audience, list) else [audience])
        if says.get("sub") != subject or says.get("iss") != self.login.issuer or not for_us:
            raise refused("Your login provider's two answers are not of one person.")

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None) -> bool:
        """Whoever comes here was let in by `update_auth_model`, which knows the claims."""
        return auth_model is not None and bool(username)

    async def refresh_user(self, user: Any, handler: Any = None, **named: Any) -> Any:
        """Ask the provider again; False sends the user to the login page.

        While the provider does not answer, a login counts until its access token ends.
        """
        state = await user.get_auth_state()
        try:
            await self.discover()
            fresh = await super().refresh_user(user, handler, **named)
        except web.HTTPError as fault:
            if fault.status_code != 503:
                self.log.warning("%s is not let in any more: %s", user.name, fault)
                return False
            return still_valid(state, time.time())
        except (OSError, HTTPClientError) as fault:
            self.log.warning("%s cannot be asked about %s: %s", self.login.issuer, user.name, fault)
            return still_valid(state, time.time())
        if isinstance(fresh, dict) and fresh["name"] != user.name:
            return False
        return fresh


def still_valid(state: dict[str, Any] | None, now: float) -> bool:
    """Whether the access token says that it has not ended; one that does not say has."""
    try:
        says = jwt.decode(
            (state or {}).get("access_token") or "", options={"verify_signature": False, "verify_exp": False}
        )
        return float(says["exp"]) > now
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return False


def groups_of(said: dict[str, Any], claim: str) -> frozenset[str]:
    """Return the groups of a claim, which may be a path into objects (Keycloak's realm_access.roles)."""
    found: Any = said.get(claim)
    if found is None:
        found = said
        for step in claim.split("."):
            found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, str):
        found = found.split(",")
    return frozenset(str(one) for one in found) if isinstance(found, list) else frozenset()
