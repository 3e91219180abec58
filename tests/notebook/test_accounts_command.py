"""What an admin sees of accounts, and how he joins them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from casa_hub import command
from casa_hub.accounts import Account, Identity, Person, Registry
from casa_hub.command import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE = Identity("https://one", "1", "ada", "ada@example.edu", "Ada Lovelace")
TWO = Identity("https://two", "2", "lovelace", "ada@example.edu")


@pytest.fixture
def asked(
    good: dict[str, Any], written: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> Callable[..., int]:
    """Run the command on a registry with two accounts of one person."""
    (tmp_path / "state").mkdir()
    path = written(good)
    with Registry(tmp_path / "state" / "accounts.json").changing() as accounts:
        accounts |= {"ada": Account("ada", (ONE,)), "lovelace": Account("lovelace", (TWO,))}

    def ask(*words: str) -> int:
        return main(["--settings", str(path), *words])

    return ask


def test_it_lists_everybody_and_who_may_be_one_person(
    asked: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked() == 0
    said = capsys.readouterr().out
    assert "ada       ada                   ada@example.edu  1        https://one" in said
    assert "Perhaps one person: ada@example.edu has the accounts ada, lovelace" in said
    assert asked("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["look_alikes"] == [
        {"sign": "ada@example.edu", "accounts": ["ada", "lovelace"]}
    ]


def test_nobody_is_joined_to_an_account_of_the_system(
    asked: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("root", "daemon", "no-such-account", "../x"):
        assert asked("join", "https://two", "2", name) == 1
    assert capsys.readouterr().err.count("is no account of a user on this host") == 4


def test_who_has_never_logged_in_is_not_joined(
    asked: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "look_up", {"ada": Person(6001)}.get)
    assert asked("join", "https://two", "3", "ada") == 1
    assert "has logged in" in capsys.readouterr().err
    assert asked("join", "https://two", "2", "ada") == 0
    assert asked() == 0
    assert "Perhaps" not in capsys.readouterr().out
