"""`casa-install bundle`: everything that a site fetches, in one file, for where there is no connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.artifacts.needs import SiteNeeds

bundle_app = typer.Typer(
    help="Put everything that a site fetches into one file, for installing without a connection.",
    no_args_is_help=True,
)

FileArgument = Annotated[Path, typer.Argument(help="The bundle.", metavar="FILE")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@bundle_app.command("create")
def create(
    inventory: Annotated[
        list[str] | None,
        typer.Option("--inventory", "-i", help="May be repeated. Default: $ANSIBLE_INVENTORY."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The bundle.", show_default="casa-bundle-SITE-DATE.tar"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch what the roles of an inventory need, and put it into one file."""
    from datetime import UTC, datetime

    from casa_install.artifacts.bundle_writing import bundle_name, gather, write_bundle
    from casa_install.artifacts.places import site_sources
    from casa_install.artifacts.resolve import Resolver
    from casa_install.report.bundle import bundle_text, missing_lines
    from casa_install.report.messages import say

    needs = _needs(inventory)
    sources = site_sources(needs.variables)

    def tell(text: str) -> None:
        say("Note", text)

    gathered = gather(needs, Resolver(sources, tell=tell), sources.cache, tell)
    if not gathered.files:
        raise CasaError(
            "This inventory's roles fetch nothing that a bundle could hold.",
            hint="Releases are fetched for hosts of the groups k3s_server and k3s_agent.",
            exit_code=ExitCode.USAGE,
        )
    target = output or Path(bundle_name(needs.site, datetime.now(UTC).date()))
    manifest = write_bundle(target, needs.site, gathered)
    if as_json:
        typer.echo(json.dumps({"bundle": str(target), **manifest.as_json()}))
    else:
        typer.echo(bundle_text(target, manifest))
    for line in missing_lines(manifest):
        say("Warning", line)
    say("Next", f"copy it to where it is needed, and set `site_artifact_bundle: /path/to/{target.name}`")


@bundle_app.command("verify")
def verify(file: FileArgument, as_json: JsonOption = False) -> int:
    """Compare every file of a bundle with its digest."""
    from casa_install.artifacts.bundle import check_bundle
    from casa_install.report.bundle import missing_lines
    from casa_install.report.messages import say

    bundle, faults = check_bundle(file)
    if as_json:
        typer.echo(json.dumps({"bundle": str(file), "ok": not faults, "faults": faults}))
    elif faults:
        say(
            "Error",
            "\n".join([f"{file} is not what its manifest says:", *(f"  {fault}" for fault in faults)]),
        )
        say("Hint", "Copy it again, or make it again with `casa-install bundle create -i INVENTORY`.")
    else:
        typer.echo(f"{file} is whole: {len(bundle.manifest.files)} files")
    for line in missing_lines(bundle.manifest):
        say("Note", line)
    return ExitCode.FAILED if faults else ExitCode.OK


@bundle_app.command("show")
def show(file: FileArgument, as_json: JsonOption = False) -> None:
    """Show what a bundle holds, by its manifest; `verify` reads the files themselves."""
    from casa_install.artifacts.bundle import open_bundle
    from casa_install.report.bundle import bundle_text, missing_lines
    from casa_install.report.messages import say

    manifest = open_bundle(file).manifest
    typer.echo(json.dumps(manifest.as_json()) if as_json else bundle_text(file, manifest))
    for line in missing_lines(manifest):
        say("Note", line)


def _needs(inventory: list[str] | None) -> SiteNeeds:
    """Read the inventories and return what they ask for.

    Raises:
        CasaError: None is named, or one has mistakes, which have been printed.
    """
    import sys

    from casa_install.artifacts.needs import site_needs
    from casa_install.cli.validate import named
    from casa_install.engine.playbook import resolve_inventory
    from casa_install.report.messages import say
    from casa_install.report.mistakes import SiteMistakesError, mistake_lines

    words = named(inventory or [], "bundle create")
    found, needs = site_needs([Path(resolve_inventory(word)[0]) for word in words])
    if found.findings:
        print("\n".join(mistake_lines(sorted(found.findings))), file=sys.stderr)
        raise SiteMistakesError(tuple(sorted(found.findings)))
    for note in needs.notes:
        say("Note", note)
    return needs
