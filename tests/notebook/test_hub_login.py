"""Who comes in: each kind of provider by what it really answers, and everybody who must not."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from casa_hub import login as logins
from casa_hub.accounts import AccountError, Identity
from casa_hub.allow import ADMINS, Rule
from casa_hub.oidc import OidcLogin, groups_of, still_valid
from casa_hub.settings import Allow, Login, Secrets, Settings
from tornado import web
from tornado.httpclient import HTTPClientError
from traitlets.config import Config

PROVIDERS = Path(__file__).with_name("providers")
KINDS = sorted(path.stem for path in PROVIDERS.glob("*.json"))
SECRETS = Secrets("0" * 64, ("1" * 64,), "2" * 64, client_secret="a secret")


class Keeping:
    """Gives everybody an account and remembers whom."""

    def __init__(self) -> None:
        self.asked: list[Identity] = []

    def account_of(self, identity: Identity) -> str:
        if identity.claim == "homeless":
            raise AccountError("there is no account homeless on this host")
        self.asked.append(identity)
        return "ada"


class User:
    """A user of the hub with what it keeps of his login."""

    name = "ada"

    def __init__(self, state: dict[str, Any] | None) -> None:
        self.state = state

    async def get_auth_state(self) -> dict[str, Any] | None:
        return self.state


class Provider:
    """Answers as a provider did, from a file; what it was asked is kept."""

    def __init__(self, kind: str) -> None:
        self.said: dict[str, Any] = json.loads((PROVIDERS / f"{kind}.json").read_text())
        self.refused: set[str] = set()
        self.asked: list[str] = []
        self.id_token = ""

    async def httpfetch(self, url: str, *_: Any, **__: Any) -> dict[str, Any]:
        self.asked.append(url)
        if url in self.refused:
            raise HTTPClientError(401, "ended")
        if "*" in self.refused:
            raise ConnectionRefusedError("down")
        discovery = self.said["discovery"]
        if url.endswith("/.well-known/openid-configuration"):
            return discovery
        if url == discovery["token_endpoint"]:
            return {"access_token": "new", "token_type": "Bearer", "id_token": self.id_token}
        assert url == discovery["userinfo_endpoint"]
        return copy.deepcopy(self.said["userinfo"])


def hub(provider: Provider, allow: Allow, admins: tuple[str, ...] = ()) -> tuple[OidcLogin, Keeping, Config]:
    """The authenticator that the hub would have with these settings."""
    said = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in provider.said["login"].items()
    }
    site = Settings("T3", "https://hub.example.edu/", "hub", Login(**said), allow, admins=admins)
    keeping, config = Keeping(), Config()
    logins.configure(config, site, SECRETS, keeping)  # type: ignore[arg-type]
    authenticator = OidcLogin(config=config)
    authenticator.keeper = keeping
    authenticator.httpfetch = provider.httpfetch
    return authenticator, keeping, config


def come_in(authenticator: OidcLogin, token: dict[str, Any] | None = None) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        await authenticator.discover()
        model = await authenticator._token_to_auth_model(
            {"access_token": "old", "token_type": "Bearer", **(token or {})}
        )
        assert isinstance(model, dict)
        return model

    return asyncio.run(run())


def refusal(authenticator: OidcLogin, token: dict[str, Any] | None = None) -> str:
    with pytest.raises(web.HTTPError) as caught:
        come_in(authenticator, token)
    assert caught.value.status_code == 403
    return str(caught.value.jupyterhub_message)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_provider(kind: str) -> None:
    provider = Provider(kind)
    expected = provider.said["expected"]
    authenticator, keeping, config = hub(provider, Allow(groups=(expected["group"],)))
    model = come_in(authenticator)
    assert authenticator.authorize_url == expected["authorize"]
    assert list(authenticator.scope) == expected["scope"]
    assert authenticator.extra_fields() == expected["extra"]
    assert authenticator.basic_auth is expected["basic"]
    assert authenticator.enable_pkce
    assert authenticator.client_secret == "a secret"
    assert config.OidcLogin.oauth_callback_url == "https://hub.example.edu/hub/oauth_callback"
    (identity,) = keeping.asked
    said = (identity.issuer, identity.subject, identity.claim, identity.email)
    assert said == (
        provider.said["login"]["issuer"],
        expected["subject"],
        expected["claim"],
        expected["email"],
    )
    assert model["name"] == "ada"
    assert model["auth_state"]["access_token"] == "old"
    assert asyncio.run(authenticator.check_allowed("ada", model))


@pytest.mark.parametrize("kind", KINDS)
def test_outside_of_the_rule_nobody_gets_in_nor_an_account(kind: str) -> None:
    authenticator, keeping, _ = hub(Provider(kind), Allow(users=("ada2",), groups=("chemistry",)))
    assert "does not let" in refusal(authenticator)
    assert keeping.asked == []


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (Rule(frozenset(), frozenset(), False, frozenset()), False),
        (Rule(frozenset(), frozenset(), False, frozenset({"ada"})), False),
        (Rule(frozenset({"ada"}), frozenset(), False, frozenset()), True),
        (Rule(frozenset({"Ada"}), frozenset(), False, frozenset()), False),
        (Rule(frozenset(), frozenset({"physics"}), False, frozenset()), True),
        (Rule(frozenset(), frozenset({"chemistry"}), False, frozenset()), False),
        (Rule(frozenset(), frozenset(), True, frozenset()), True),
    ],
)
def test_the_rule(rule: Rule, admitted: bool) -> None:
    assert rule.admits("ada", frozenset({"physics", "staff"})) is admitted


def test_admins_are_the_hubs_group_and_no_group_of_the_provider_is() -> None:
    provider = Provider("keycloak")
    provider.said["login"]["groups_claim"] = "groups"
    provider.said["userinfo"]["groups"] = [ADMINS]
    authenticator, _, _ = hub(provider, Allow(everybody()))
    assert come_in(authenticator)["groups"] == []
    authenticator, _, _ = hub(provider, Allow(everybody()), admins=("ada",))
    model = come_in(authenticator)
    assert model["groups"] == [ADMINS]
    assert model["admin"] is False


def everybody() -> tuple[str, ...]:
    return ("ada",)


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        ("generic", {"email_verified": False}, "has not verified your e-mail"),
        ("generic", {"email_verified": "false"}, "has not verified your e-mail"),
        ("generic", {"email": ""}, "does not say your email"),
        ("keycloak", {"preferred_username": None}, "does not say your preferred_username"),
        ("keycloak", {"sub": None}, "does not say"),
        ("keycloak", {"preferred_username": ["ada"]}, "does not say"),
        ("cilogon", {"idp": "http://google.com/accounts/o8/id"}, "institution that you chose"),
        ("keycloak", {"preferred_username": "homeless"}, "you have no account here"),
    ],
)
def test_incomplete_answers_are_refused(kind: str, changed: dict[str, Any], said: str) -> None:
    provider = Provider(kind)
    provider.said["userinfo"].update(changed)
    authenticator, keeping, _ = hub(provider, Allow(all=True))
    assert said in refusal(authenticator)
    assert keeping.asked == []


def id_token(**changed: Any) -> str:
    says = {
        "iss": "https://sso.example.edu/realms/t3",
        "aud": "casa",
        "sub": "6c0e7d4e-2222-4222-8222-222222222222",
        "exp": time.time() + 60,
        **changed,
    }
    return jwt.encode(says, "k" * 32)


def test_both_answers_must_be_of_one_person() -> None:
    authenticator, _, _ = hub(Provider("keycloak"), Allow(all=True))
    assert come_in(authenticator, {"id_token": id_token()})["name"] == "ada"
    assert come_in(authenticator, {"id_token": id_token(aud=["other", "casa"])})["name"] == "ada"
    for changed in ({"sub": "another"}, {"iss": "https://evil.example"}, {"aud": "another"}):
        assert "not of one person" in refusal(authenticator, {"id_token": id_token(**changed)})
    assert "cannot be read" in refusal(authenticator, {"id_token": "no token"})


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://sso.example.edu/token"},
        {"userinfo_endpoint": "file:///etc/passwd"},
    ],
)
def test_a_description_that_is_not_the_issuers_is_not_used(changed: dict[str, str]) -> None:
    provider = Provider("keycloak")
    provider.said["discovery"].update(changed)
    authenticator, _, _ = hub(provider, Allow(all=True))
    with pytest.raises(web.HTTPError) as caught:
        asyncio.run(authenticator.discover())
    assert caught.value.status_code == 503


def refreshed(authenticator: OidcLogin, state: dict[str, Any] | None) -> Any:
    return asyncio.run(authenticator.refresh_user(User(state)))


def state_of(**changed: Any) -> dict[str, Any]:
    token = {"access_token": "old", "token_type": "Bearer"}
    return {"access_token": "old", "refresh_token": None, "token_response": token, **changed}


def test_a_login_that_has_ended_is_refused() -> None:
    provider = Provider("keycloak")
    authenticator, _, _ = hub(provider, Allow(all=True))
    # An ID token is of the moment of the login; it is not what a login lasts by.
    old = {"access_token": "old", "token_type": "Bearer", "id_token": id_token(exp=time.time() - 60)}
    assert refreshed(authenticator, state_of(token_response=old))["name"] == "ada"
    provider.refused.add(provider.said["discovery"]["userinfo_endpoint"])
    assert refreshed(authenticator, state_of()) is False
    assert refreshed(authenticator, None) is False


def test_a_login_is_renewed_with_its_refresh_token() -> None:
    provider = Provider("keycloak")
    authenticator, _, _ = hub(provider, Allow(all=True))
    userinfo = provider.said["discovery"]["userinfo_endpoint"]
    answers = provider.httpfetch

    async def once(url: str, *given: Any, **named: Any) -> Any:
        if url == userinfo and provider.asked.count(userinfo) == 0:
            provider.asked.append(url)
            raise HTTPClientError(401, "ended")
        return await answers(url, *given, **named)

    authenticator.httpfetch = once
    fresh = refreshed(authenticator, state_of(refresh_token="again"))
    assert fresh["auth_state"]["access_token"] == "new"
    assert fresh["auth_state"]["refresh_token"] == "again"


def test_who_left_the_rule_is_out_at_the_next_refresh() -> None:
    provider = Provider("keycloak")
    authenticator, _, _ = hub(provider, Allow(groups=("physics",)))
    assert refreshed(authenticator, state_of())
    provider.said["userinfo"]["realm_access"] = {"roles": []}
    assert refreshed(authenticator, state_of()) is False


def test_while_the_provider_is_down_a_login_counts_until_its_token_ends() -> None:
    provider = Provider("keycloak")
    authenticator, _, _ = hub(provider, Allow(all=True))
    provider.refused.add("*")
    good = jwt.encode({"exp": time.time() + 60}, "k" * 32)
    ended = jwt.encode({"exp": time.time() - 60}, "k" * 32)
    assert refreshed(authenticator, state_of(access_token=good)) is True
    assert refreshed(authenticator, state_of(access_token=ended)) is False
    assert refreshed(authenticator, state_of(access_token="opaque")) is False
    assert still_valid(None, 0) is False


@pytest.mark.parametrize(
    ("said", "claim", "groups"),
    [
        ({"groups": ["a", "b"]}, "groups", {"a", "b"}),
        ({"wlcg.groups": ["/cms"]}, "wlcg.groups", {"/cms"}),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"groups": "a,b"}, "groups", {"a", "b"}),
        ({"groups": {"a": 1}}, "groups", set()),
        ({"realm_access": "x"}, "realm_access.roles", set()),
        ({}, "groups", set()),
    ],
)
def test_groups(said: dict[str, Any], claim: str, groups: set[str]) -> None:
    assert groups_of(said, claim) == groups
