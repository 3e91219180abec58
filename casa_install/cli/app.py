"""The Typer application: which word is a verb, and how whatever goes wrong is told."""

from __future__ import annotations

import difflib
import json
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Annotated

import typer

from casa_install import __version__
from casa_install.cli.adopt import adopt
from casa_install.cli.apply import apply
from casa_install.cli.backup import backup
from casa_install.cli.bundle import bundle_app
from casa_install.cli.certs import certs_app
from casa_install.cli.explain import explain
from casa_install.cli.lab import lab_app
from casa_install.cli.node import node_app
from casa_install.cli.plan import plan
from casa_install.cli.restore import restore
from casa_install.cli.runs import runs_app
from casa_install.cli.status import status
from casa_install.cli.tokens import tokens_app
from casa_install.cli.uninstall import uninstall
from casa_install.cli.upgrade import upgrade
from casa_install.cli.validate import validate
from casa_install.cli.verify import verify
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

# The base of all that Typer raises for a wrong command line. Newer Typer carries its own copy of click, so
# the class is reached through one that Typer exports.
_WrongCommandLine: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

VALUE_OPTIONS = frozenset(
    {"-i", "-l", "-t", "-e", "-f", "-u", "--inventory", "--limit", "--tags", "--skip-tags", "--extra-vars"}
    | {"--forks", "--user", "--private-key", "--vault-password-file", "--vault-id", "--ansible-argument"}
)
"""Options of `apply` and `plan` that take a value; a test compares them with the signatures."""

_TO_ANSIBLE = frozenset(
    {"apply", "plan", "uninstall", "explain", "status", "verify", "upgrade", "backup", "restore"}
)
"""Verbs that hand what follows `--` to ansible-playbook."""

_HELP = (
    "Install and keep a coffea-casa-style analysis facility on a site's own machines.\n\n"
    "`casa-install site.yml -i INVENTORY` is `casa-install apply site.yml -i INVENTORY`."
)


_LESS_OFTEN = "Less often"
"""The help page's second panel."""


def build_app() -> typer.Typer:
    """Return the application with all its verbs."""
    app = typer.Typer(
        name="casa-install",
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_HELP)(_options)
    app.command()(apply)
    app.command()(plan)
    app.command()(validate)
    app.command()(explain)
    app.command()(status)
    app.command()(verify)
    app.command()(upgrade)
    app.add_typer(node_app, name="node")
    app.command()(uninstall)
    app.add_typer(runs_app, name="runs", rich_help_panel=_LESS_OFTEN)
    app.command(rich_help_panel=_LESS_OFTEN)(backup)
    app.command(rich_help_panel=_LESS_OFTEN)(restore)
    app.command(rich_help_panel=_LESS_OFTEN)(adopt)
    app.add_typer(certs_app, name="certs", rich_help_panel=_LESS_OFTEN)
    app.add_typer(tokens_app, name="tokens", rich_help_panel=_LESS_OFTEN)
    app.add_typer(bundle_app, name="bundle", rich_help_panel=_LESS_OFTEN)
    app.add_typer(lab_app, name="lab", rich_help_panel=_LESS_OFTEN)
    return app


def verbs() -> list[str]:
    """Return the verbs, in the order of the help page."""
    often = ["apply", "plan", "validate", "explain", "status", "verify", "upgrade", "node", "uninstall"]
    return [*often, "runs", "backup", "restore", "adopt", "certs", "tokens", "bundle", "lab"]


def run(argv: Sequence[str]) -> int:
    """Run one command line and return the process status; whatever goes wrong is told, never raised."""
    as_json = "--json" in argv
    try:
        # Not standalone: Typer would print usage errors in its own way.
        words = with_verb(argv)
        status = build_app()(words, prog_name="casa-install", standalone_mode=False, obj=list(argv))
        sys.stdout.flush()
        return int(status) if isinstance(status, int) else ExitCode.OK
    except CasaError as error:
        return _told(error, as_json)
    except _WrongCommandLine as error:
        return _told(_usage_error(error), as_json)
    except (typer.Abort, KeyboardInterrupt):
        print(file=sys.stderr)
        return ExitCode.INTERRUPTED
    except typer.Exit as ending:
        return int(ending.exit_code)
    except BrokenPipeError:
        # The reader (`| head`) has gone; nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # the last line of defence: no traceback reaches a user
        return _told(_unexpected(error), as_json)


def with_verb(argv: Sequence[str]) -> list[str]:
    """Return a command line with its verb in front.

    A playbook where a verb is expected means `apply`, also after options: `casa-install -i lab site.yml`.
    What follows `--` is kept for ansible-playbook.

    Raises:
        CasaError: The first word is neither a verb nor a playbook.
    """
    from casa_install.engine.playbook import names_playbook

    at = _first_word(argv)
    if at is None:
        return _without_verb(argv)
    word = argv[at]
    if word in verbs():
        words = [word, *argv[:at], *argv[at + 1 :]]
    elif names_playbook(word):
        words = ["apply", *argv]
    else:
        raise _unknown_verb(word)
    return _with_ansible_arguments(words) if words[0] in _TO_ANSIBLE else words


def _first_word(argv: Sequence[str]) -> int | None:
    """Return the position of the first word that is neither an option nor an option's value."""
    skip = False
    for position, word in enumerate(argv):
        if skip:
            skip = False
        elif word == "--":
            return None
        elif word in VALUE_OPTIONS:
            skip = True
        elif not word.startswith("-"):
            return position
    return None


def _without_verb(argv: Sequence[str]) -> list[str]:
    if not argv or {"-h", "--help", "--version", "--install-completion", "--show-completion"} & set(argv):
        return list(argv)
    raise CasaError(
        "The command line names neither a verb nor a playbook.",
        hint="Try `casa-install site.yml -i INVENTORY`; `casa-install --help` lists the verbs.",
        exit_code=ExitCode.USAGE,
    )


def _with_ansible_arguments(words: Sequence[str]) -> list[str]:
    if "--" not in words:
        return list(words)
    at = list(words).index("--")
    return [*words[:at], *(f"--ansible-argument={word}" for word in words[at + 1 :])]


def _unknown_verb(word: str) -> CasaError:
    close = difflib.get_close_matches(word, [*verbs(), "site.yml"], n=1, cutoff=0.5)
    return CasaError(
        f"{word!r} is neither a verb nor a playbook.",
        hint=f"Did you mean `casa-install {close[0]}`?" if close else f"The verbs are {', '.join(verbs())}.",
        exit_code=ExitCode.USAGE,
    )


def _usage_error(error: BaseException) -> CasaError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "casa-install"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return CasaError(message, hint=f"`{path} --help` lists the options.", exit_code=ExitCode.USAGE)


def _unexpected(error: Exception) -> CasaError:
    """Write the traceback to a file and return what the user is told."""
    from casa_install.engine.rundir import make_private, private_file, state_home

    summary = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        path = make_private(state_home()) / "last-error.log"
        with private_file(path) as stream:
            traceback.print_exception(error, file=stream)
    except (OSError, CasaError):
        return CasaError(f"casa-install met a fault of its own: {summary}")
    return CasaError(f"casa-install met a fault of its own: {summary}", hint=f"Please report it with {path}.")


def _told(error: CasaError, as_json: bool) -> int:
    from casa_install.report.messages import show_error
    from casa_install.report.mistakes import error_json

    show_error(error)
    if as_json:
        print(json.dumps(error_json(error)), flush=True)
    return int(error.exit_code)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"casa-install {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """Options before any verb; each ends the program by itself."""
