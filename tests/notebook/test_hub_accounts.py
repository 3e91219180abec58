"""Accounts are safe, unique and stable, whatever a provider calls people."""

from __future__ import annotations

import json
import stat
import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from casa_hub.accounts import (
    LONGEST,
    NAME,
    AccountError,
    Host,
    Identity,
    Keeper,
    Person,
    Registry,
    candidates,
    join,
    look_alikes,
    safe_name,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ISSUER = "https://sso.example.edu"
SYSTEM = {"root": 0, "daemon": 1, "nobody": 65534, "sshd": 105, "www-data": 33}


class FakeHost:
    """A host's passwd and group databases, and useradd."""

    def __init__(self, known: dict[str, int] | None = None, groups: tuple[str, ...] = ()) -> None:
        self.known = dict(SYSTEM, **(known or {}))
        self.groups = set(groups)
        self.made: list[str] = []

    def make(self, name: str, uid: int) -> int:
        assert name not in self.known
        self.made.append(name)
        self.known[name] = uid or 6000 + len(self.made)
        return self.known[name]

    def host(self) -> Host:
        return Host(
            look_up=lambda name: Person(self.known[name]) if name in self.known else None,
            has_group=lambda name: name in self.groups,
            make=self.make,
        )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "accounts.json")


def who(claim: str, subject: str = "", issuer: str = ISSUER, **said: str) -> Identity:
    return Identity(issuer, subject or f"id of {claim}", claim, **said)


claims = st.one_of(
    st.text(min_size=1, max_size=300),
    st.emails(),
    st.sampled_from(
        ["root", "ROOT", "daemon", "nobody", "www-data", "www_data", "-rf", "../../etc", "0", "é", "日本"]
    ),
)


@given(claims)
def test_every_name_is_an_account_name(claim: str) -> None:
    for name in candidates(who(claim, "s")):
        assert NAME.fullmatch(name)
        assert len(name) <= LONGEST


# A registry is written to disk for each person, which takes what the disk takes.
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(claims, st.integers(0, 3)), min_size=1, max_size=12))
def test_accounts_are_unique_stable_and_never_the_systems(people: list[tuple[str, int]]) -> None:
    fake = FakeHost({"ldap": 20000}, groups=("physics",))
    before = set(fake.known)
    with TemporaryDirectory() as directory:
        keeper = Keeper(Registry(Path(directory) / "accounts.json"), fake.host(), made=True)
        given_to: dict[tuple[str, str], str] = {}
        for claim, issuer in people:
            identity = Identity(f"https://{issuer}.example", claim, claim)
            name = keeper.account_of(identity)
            assert given_to.setdefault(identity.key, name) == name
        assert len(set(given_to.values())) == len(given_to)
        assert not set(given_to.values()) & (before | fake.groups)
        assert all(NAME.fullmatch(name) for name in given_to.values())
        # A later hub, of which everybody has got another name at his provider.
        later = Keeper(Registry(Path(directory) / "accounts.json"), fake.host(), made=True)
        for (issuer_, subject), name in given_to.items():
            assert later.account_of(Identity(issuer_, subject, "renamed")) == name


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("ada", "ada"),
        ("Ada.Lovelace@example.edu", "ada_lovelace"),
        ("Jürgen Müller", "jurgen_muller"),
        ("Straße", "strasse"),
        ("4711", "u4711"),
        ("日本", "fallback"),
        ("@", "fallback"),
        ("a" * 80, "a" * 32),
    ],
)
def test_names_stay_readable(claim: str, name: str) -> None:
    assert safe_name(claim, "fallback") == name


def test_a_taken_name_gets_an_end_that_does_not_depend_on_order(registry: Registry) -> None:
    fake = FakeHost()
    keeper = Keeper(registry, fake.host(), made=True)
    assert keeper.account_of(who("ada@one.edu")) == "ada"
    second = keeper.account_of(who("ada@two.edu"))
    assert second in list(candidates(who("ada@two.edu")))[1:]


def test_accounts_of_the_directory_are_never_made(registry: Registry) -> None:
    fake = FakeHost({"ada": 20001})
    name = Keeper(registry, fake.host(), made=True).account_of(who("ada"))
    assert name.startswith("ada-")
    assert fake.made == [name]


def test_a_made_account_that_is_gone_comes_back_with_its_uid(registry: Registry) -> None:
    fake = FakeHost()
    keeper = Keeper(registry, fake.host(), made=True)
    keeper.account_of(who("ada"))
    uid = fake.known.pop("ada")
    assert keeper.account_of(who("ada")) == "ada"
    assert fake.known["ada"] == uid


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("eve", "there is no account eve"),
        ("root", "account of the system"),
        ("daemon", "account of the system"),
        ("ada@example.org", "is not the name of an account here"),
        ("Ada", "is not the name of an account here"),
        ("../ada", "is not the name of an account here"),
        ("ada\n", "is not the name of an account here"),
        ("", "is not the name of an account here"),
    ],
)
def test_without_an_account_nobody_gets_one(registry: Registry, claim: str, said: str) -> None:
    fake = FakeHost({"ada": 6001})
    with pytest.raises(AccountError, match=said):
        Keeper(registry, fake.host(), domain="example.edu").account_of(who(claim))
    assert registry.read() == {}
    assert fake.made == []


def test_an_existing_account_is_its_owners_only(registry: Registry) -> None:
    keeper = Keeper(registry, FakeHost({"ada": 6001}).host(), domain="example.edu")
    assert keeper.account_of(who("ada")) == "ada"
    assert keeper.account_of(who("ada")) == "ada"
    for other in (who("ada", "another"), who("ada", issuer="https://other"), who("ada@example.edu")):
        with pytest.raises(AccountError, match="belongs to another identity"):
            keeper.account_of(other)


def test_the_sites_own_domain_is_taken_off(registry: Registry) -> None:
    keeper = Keeper(registry, FakeHost({"ada": 6001}).host(), domain="example.edu")
    assert keeper.account_of(who("ada@EXAMPLE.edu")) == "ada"


def test_an_account_that_became_the_systems_is_refused(registry: Registry) -> None:
    fake = FakeHost({"ada": 6001})
    keeper = Keeper(registry, fake.host())
    keeper.account_of(who("ada"))
    fake.known["ada"] = 0
    with pytest.raises(AccountError, match="account of the system"):
        keeper.account_of(who("ada"))


def test_the_registry_is_private_and_whole(registry: Registry, tmp_path: Path) -> None:
    Keeper(registry, FakeHost().host(), made=True).account_of(who("ada", email="a@b.edu", name="Ada"))
    path = tmp_path / "accounts.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "accounts.json.lock").stat().st_mode) == 0o600
    assert json.loads(path.read_text())["accounts"]["ada"]["identities"][0]["email"] == "a@b.edu"
    assert {each.name for each in tmp_path.iterdir()} == {"accounts.json", "accounts.json.lock"}


def test_a_registry_that_nobody_understands_gives_no_account(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "accounts.json").write_text('{"accounts": {"ada": ')
    with pytest.raises(AccountError, match="cannot be read"):
        Keeper(registry, FakeHost().host(), made=True).account_of(who("ada"))
    assert (tmp_path / "accounts.json").read_text() == '{"accounts": {"ada": '


def test_logins_at_the_same_moment_lose_nothing(registry: Registry) -> None:
    keeper = Keeper(registry, FakeHost().host(), made=True)
    people = [who(f"user{number}") for number in range(16)]
    threads = [threading.Thread(target=keeper.account_of, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(registry.read()) == {person.claim for person in people}


def test_who_seems_to_have_several_is_shown(registry: Registry) -> None:
    keeper = Keeper(registry, FakeHost().host(), made=True)
    keeper.account_of(who("ada", email="Ada@example.edu", name="Ada  Lovelace"))
    keeper.account_of(who("lovelace", issuer="https://other", email="ada@example.edu", name="Ada Lovelace"))
    keeper.account_of(who("emmy", email="emmy@example.edu"))
    both = ("ada", "lovelace")
    assert look_alikes(registry.read()) == [("ada lovelace", both), ("ada@example.edu", both)]


def test_joined_identities_have_one_account(registry: Registry) -> None:
    keeper = Keeper(registry, FakeHost().host(), made=True)
    keeper.account_of(who("ada", email="a@b"))
    other = who("lovelace", "42", "https://other", email="a@b")
    keeper.account_of(other)
    join(registry, "https://other", "42", "ada")
    assert keeper.account_of(replace(other, claim="renamed")) == "ada"
    assert keeper.account_of(who("ada")) == "ada"
    assert look_alikes(registry.read()) == []
    # The account that was left is still nobody else's.
    assert keeper.account_of(who("lovelace", "new")) != "lovelace"


def test_strangers_cannot_be_joined(registry: Registry) -> None:
    with pytest.raises(AccountError, match="has logged in"):
        join(registry, ISSUER, "nobody", "ada")
