"""The lab's OpenID provider: whom it lets in, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import stat
import sys
import urllib.parse
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from casa_install.lab import origin_machine
from casa_install.lab.federation import Federation
from casa_install.lab.login import CLIENT, Login

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(origin_machine.__file__).with_name("origin") / "usr/local/lib/lab-origin"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "https://nb1.example.test/hub/oauth_callback"
REQUEST = {
    "client_id": CLIENT,
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "openid profile email offline_access storage.read:/",
    "state": "the state",
    "nonce": "the nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def programs() -> Iterator[SimpleNamespace]:
    """The provider's modules, which are on no path of the package."""
    names = ("issuer", "people", "grants", "pages", "replies", "signed", "provider", "login")
    sys.path.insert(0, str(PROGRAMS))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(PROGRAMS))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Login:
    federation = Federation(tmp_path_factory.mktemp("lab") / "federation", ["example.test"])
    federation.issuer_files("site", "origin.example.test")
    return Login(federation, ["nb1.example.test"], "example.test")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Visitor:
    """A browser and the client behind it."""

    def __init__(self, programs: SimpleNamespace, provider: Any, login: Login, clock: Clock) -> None:
        self.programs, self.provider, self.login, self.clock = programs, provider, login, clock
        self.cookies: dict[str, str] = {}
        self.address = "192.0.2.1"

    def asked(self, parameters: dict[str, str], authorization: str = "") -> Any:
        return self.programs.replies.Asked(parameters, dict(self.cookies), authorization, self.address)

    def keep(self, reply: Any) -> Any:
        for name, value in reply.headers:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
                assert "Secure; HttpOnly; SameSite=Lax" in rest
        return reply

    def open(self, **changes: str) -> Any:
        return self.keep(self.provider.authorize(self.asked({**REQUEST, **changes})))

    def fill_in(self, form: Any, name: str = "ada", password: str | None = None) -> Any:
        found = re.search(r'name="form" value="([^"]+)"', form.body)
        assert found
        given = self.login.people[name]["password"] if password is None else password
        filled = {"form": found[1], "username": name, "password": given}
        return self.keep(self.provider.login(self.asked(filled)))

    def code(self, **changes: str) -> str:
        return back(self.fill_in(self.open(**changes)))["code"]

    def token(self, **changes: str) -> Any:
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "client_secret": self.login.variables("o.example.test")["lab_login_client_secret"],
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        return self.provider.token(self.asked(form))

    def tokens(self, **changes: str) -> dict[str, Any]:
        reply = self.token(code=self.code(**changes))
        assert reply.status == 200, reply.body
        found: dict[str, Any] = json.loads(reply.body)
        return found

    def userinfo(self, token: str) -> Any:
        return self.provider.userinfo(self.asked({}, f"Bearer {token}"))


def back(reply: Any) -> dict[str, str]:
    """What a browser brings back to the client."""
    assert reply.status == 303
    target = dict(reply.headers)["Location"]
    assert target.startswith(f"{BACK}?")
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@pytest.fixture
def visitor(programs: SimpleNamespace, login: Login, tmp_path: Path) -> Visitor:
    fqdn = "origin.example.test"
    made = {"login": login.files(fqdn), "site": login._federation.issuer_files("site", fqdn)}
    for directory, files in made.items():
        (tmp_path / directory).mkdir()
        for file, content in files.items():
            (tmp_path / directory / file).write_text(content, encoding="utf-8")
    provider = programs.provider.Provider(tmp_path / "login")
    clock = Clock()
    provider.grants = programs.grants.Grants(clock=clock)
    provider.people._clock = clock
    return Visitor(programs, provider, login, clock)


def test_passwords_are_kept_for_the_owner_alone_and_leave_as_hashes_only(login: Login) -> None:
    settings = login.files("origin.example.test")["login.json"]
    kept = login._federation.directory / "people.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for person in login.people.values():
        assert len(person["password"]) >= 16
        assert person["password"] not in settings
    assert len({person["password"] for person in login.people.values()}) == len(login.people)


def test_a_second_up_keeps_people_and_settings(login: Login) -> None:
    again = Login(Federation(login._federation.directory, ["example.test"]), login.hubs, login.domain)
    assert again.files("o.example.test") == login.files("o.example.test")
    assert again.variables("o.example.test") == login.variables("o.example.test")


def test_a_login_brings_an_id_token_and_a_token_of_the_issuer_that_storage_trusts(visitor: Visitor) -> None:
    tokens = visitor.tokens()
    told = claims(tokens["id_token"])
    assert told["iss"] == "https://origin.example.test:8445"
    assert (told["aud"], told["nonce"], told["preferred_username"]) == (CLIENT, "the nonce", "ada")
    assert "/casa/users" in told["groups"]
    access = claims(tokens["access_token"])
    assert access["iss"] == "https://origin.example.test:8443"
    assert access["aud"] == "https://wlcg.cern.ch/jwt/v1/any"
    assert "storage.read:/" in access["scope"].split()
    assert access["sub"] == told["sub"] == json.loads(visitor.userinfo(tokens["access_token"]).body)["sub"]


def test_claims_follow_the_scope(visitor: Visitor) -> None:
    tokens = visitor.tokens(scope="openid")
    assert json.loads(visitor.userinfo(tokens["access_token"]).body).keys() == {"sub"}
    assert "refresh_token" not in tokens


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "stranger"}, {"redirect_uri": f"{BACK}/../elsewhere"}, {"redirect_uri": f"{BACK}?x=1"}],
    ids=["client", "path", "query"],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    visitor: Visitor, changes: dict[str, str]
) -> None:
    reply = visitor.open(**changes)
    assert reply.status == 400
    assert "Location" not in dict(reply.headers)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid storage.modify:/"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_error_of_a_request_goes_back_with_its_state(
    visitor: Visitor, changes: dict[str, str], error: str
) -> None:
    found = back(visitor.open(**changes))
    assert (found["error"], found["state"]) == (error, "the state")
    assert "code" not in found


def test_a_wrong_password_gives_no_code(visitor: Visitor) -> None:
    form = visitor.open()
    for name, password in (("ada", "wrong"), ("ada", ""), ("nobody", "wrong"), ("eve", "ada")):
        reply = visitor.fill_in(form, name, password)
        assert reply.status == 401
        assert "Location" not in dict(reply.headers)
    assert visitor.fill_in(form).status == 303


def test_guessing_is_stopped_for_the_right_password_too(visitor: Visitor) -> None:
    form = visitor.open()
    for _ in range(5):
        assert visitor.fill_in(form, "ada", "wrong").status == 401
    reply = visitor.fill_in(form, "ada")
    assert reply.status == 429
    assert dict(reply.headers)["Retry-After"] == "301"
    # From elsewhere too: it is the account that is guarded. Another account is not.
    visitor.address = "192.0.2.2"
    assert visitor.fill_in(form, "ada").status == 429
    assert visitor.fill_in(form, "emmy").status == 303
    visitor.clock.now += 301
    assert visitor.fill_in(visitor.open(prompt="login"), "ada").status == 303


def test_an_address_that_tries_many_names_is_stopped(visitor: Visitor) -> None:
    form = visitor.open()
    for number in range(30):
        assert visitor.fill_in(form, f"name{number}", "wrong").status == 401
    assert visitor.fill_in(form, "emmy").status == 429


def test_a_form_counts_only_in_the_browser_that_got_it_and_once(visitor: Visitor) -> None:
    form = visitor.open()
    mine, visitor.cookies = visitor.cookies, {}
    assert visitor.fill_in(form).status == 400
    visitor.cookies = mine
    again = dict(mine)
    assert visitor.fill_in(form).status == 303
    visitor.cookies = again
    assert visitor.fill_in(form).status == 400


def test_a_form_expires(visitor: Visitor) -> None:
    form = visitor.open()
    visitor.clock.now += 601
    assert visitor.fill_in(form).status == 400


def test_a_code_counts_once_and_the_second_use_takes_back_what_the_first_gave(visitor: Visitor) -> None:
    code = visitor.code()
    tokens = json.loads(visitor.token(code=code).body)
    assert visitor.userinfo(tokens["access_token"]).status == 200
    assert visitor.token(code=code).status == 400
    assert visitor.userinfo(tokens["access_token"]).status == 401
    refreshed = visitor.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert json.loads(refreshed.body) == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code_verifier": "w" * 64}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"redirect_uri": "https://elsewhere.example.test/"}, 400, "invalid_grant"),
        ({"code": "made up"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "stranger"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_error_of_the_token_endpoint(
    visitor: Visitor, changes: dict[str, str], status: int, error: str
) -> None:
    reply = visitor.token(**{"code": visitor.code(), **changes})
    assert (reply.status, json.loads(reply.body)) == (status, {"error": error})


def test_a_code_expires(visitor: Visitor) -> None:
    code = visitor.code()
    visitor.clock.now += 61
    assert visitor.token(code=code).status == 400


def test_the_client_may_use_a_header(visitor: Visitor) -> None:
    secret = visitor.login.variables("o.example.test")["lab_login_client_secret"]
    header = "Basic " + base64.b64encode(f"{CLIENT}:{secret}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": visitor.code(), "redirect_uri": BACK}
    asked = visitor.asked({**form, "code_verifier": VERIFIER}, header)
    assert visitor.provider.token(asked).status == 200


def test_refresh_until_the_refresh_token_expires(visitor: Visitor) -> None:
    tokens = visitor.tokens()
    old = tokens["access_token"]
    visitor.clock.now += 3601
    assert visitor.userinfo(old).status == 401
    again = visitor.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert visitor.userinfo(json.loads(again.body)["access_token"]).status == 200
    wider = {"refresh_token": tokens["refresh_token"], "scope": "openid storage.read:/ groups"}
    assert visitor.token(grant_type="refresh_token", **wider).status == 400
    visitor.clock.now += 12 * 3600
    assert visitor.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status == 400


def test_a_session_logs_in_again_without_a_password_until_it_expires(visitor: Visitor) -> None:
    visitor.code()
    assert back(visitor.open())["code"]
    assert visitor.open(prompt="login").status == 200
    visitor.clock.now += 8 * 3600 + 1
    assert visitor.open().status == 200


def test_logging_out_ends_the_session_and_its_tokens(visitor: Visitor) -> None:
    tokens = visitor.tokens()
    hint = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": "https://nb1.example.test/hub/login",
    }
    reply = visitor.keep(visitor.provider.logout(visitor.asked(hint), posted=False))
    assert dict(reply.headers)["Location"] == "https://nb1.example.test/hub/login"
    assert visitor.userinfo(tokens["access_token"]).status == 401
    assert visitor.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status == 400
    assert visitor.open().status == 200


def test_logging_out_without_a_hint_asks_the_person(visitor: Visitor) -> None:
    tokens = visitor.tokens()
    stranger = claims(tokens["id_token"])
    forged = ".".join(
        [
            tokens["id_token"].split(".")[0],
            base64.urlsafe_b64encode(json.dumps(stranger).encode()).decode().rstrip("="),
            "c2lnbmF0dXJl",
        ]
    )
    for hint in ("", "rubbish", forged):
        page = visitor.provider.logout(visitor.asked({"id_token_hint": hint}), posted=True)
        assert page.status == 200
        assert visitor.userinfo(tokens["access_token"]).status == 200
    found = re.search(r'name="confirmed" value="([^"]+)"', page.body)
    assert found
    visitor.provider.logout(visitor.asked({"confirmed": found[1]}), posted=True)
    assert visitor.userinfo(tokens["access_token"]).status == 401


def test_logging_out_leads_to_no_unknown_address(visitor: Visitor) -> None:
    tokens = visitor.tokens()
    hint = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": "https://elsewhere.example.test/",
    }
    reply = visitor.provider.logout(visitor.asked(hint), posted=False)
    assert (reply.status, "Location" in dict(reply.headers)) == (400, False)


def test_what_a_person_typed_is_shown_as_text(programs: SimpleNamespace) -> None:
    page = programs.pages.login_form("f", client="c", name='"><script>alert(1)</script>', error="<b>")
    assert "<script>" not in page
    assert "<b>" not in page
