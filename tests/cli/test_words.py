"""Which words are verbs, and what a wrong command line is told."""

import inspect
import json

import pytest
import typer

from casa_install.cli import app as application
from casa_install.cli.app import VALUE_OPTIONS, run, with_verb
from casa_install.cli.apply import apply
from casa_install.errors import CasaError, ExitCode


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("site.yml -i lab", "apply site.yml -i lab"),
        ("-i lab site.yml", "apply -i lab site.yml"),
        ("-i validate site.yml", "apply -i validate site.yml"),
        ("--check -vv casa.install.site", "apply --check -vv casa.install.site"),
        ("apply site.yml", "apply site.yml"),
        ("-i lab validate", "validate -i lab"),
        (
            "site.yml -- --step -e a",
            "apply site.yml --ansible-argument=--step --ansible-argument=-e --ansible-argument=a",
        ),
        ("lab ssh cm1 -- true", "lab ssh cm1 -- true"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_verb_is_put_in_front(words, expected):
    assert with_verb(words.split()) == expected.split()


@pytest.mark.parametrize(
    ("word", "hint"),
    [("aply", "apply"), ("validat", "validate"), ("site.yl", "site.yml"), ("qqqq", "The verbs are")],
)
def test_unknown_verb_is_refused_with_the_closest(word, hint):
    with pytest.raises(CasaError) as caught:
        with_verb([word, "-i", "lab"])
    assert word in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_value_options_are_those_of_apply():
    found = set()
    for parameter in inspect.signature(apply, eval_str=True).parameters.values():
        for option in getattr(parameter.annotation, "__metadata__", ()):
            flag = parameter.annotation.__origin__ is bool or getattr(option, "count", False)
            if isinstance(option, typer.models.OptionInfo) and not flag:
                found |= {option.default, *option.param_decls}
    assert found == VALUE_OPTIONS


@pytest.mark.parametrize(
    "words",
    [
        ["aply"],
        ["-i"],
        ["apply"],
        ["apply", "site.yml", "--no-such-option"],
        ["site.yml", "-i", "/no/such/inventory"],
        ["no-such-playbook.yml", "-i", "inventories/lab"],
        ["site.yml"],
        ["runs", "show", "no-such-run"],
        ["runs", "sho"],
        ["site.yml", "-i", "\x00"],
        ["\x1b[2J\udcff"],
        ["site.yml", "--forks", "many"],
        ["-e", "x=1"],
    ],
)
def test_wrong_command_line_is_told_in_error_and_hint_with_exit_2(words, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run(words) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert "Error: " in shown.err
    assert "Hint: " in shown.err
    assert "Traceback" not in shown.err
    assert "\x1b" not in shown.err
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_fault_of_our_own_is_told_in_a_line_and_kept_in_a_file(capsys, tmp_path, monkeypatch):
    def broken():
        raise ZeroDivisionError("inside")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(application, "build_app", broken)
    assert run(["runs", "list", "--json"]) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert "ZeroDivisionError: inside" in json.loads(shown.out)["error"]
    assert "Traceback" in (tmp_path / "casa-install/last-error.log").read_text()


def test_version_and_help(capsys):
    assert run(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("casa-install ")
    assert run(["--help"]) == ExitCode.OK
    assert "apply" in capsys.readouterr().out
