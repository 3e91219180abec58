"""`casa-install adopt`: look at a cluster that others run, and say what its admin must add."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from casa_install.cli.options import AsJson, Inventory  # noqa: TC001  # typer reads the annotations
from casa_install.errors import CasaError, ExitCode

_VARIABLE = "k3s_adopt_kubeconfig"


def adopt(
    inventory: Inventory = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="The cluster's, for a first look without an inventory.")
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Where the facility is to live.")
    ] = "casa",
    manifest: Annotated[
        Path | None, typer.Option(help="Write what the cluster's admin has to apply into this file.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Look at a cluster that others run, and say what its admin must add; changes nothing there.

    Ends with 1 where something is missing.
    """
    from casa_install.health.adopt_cluster import admin_manifest, probe_cluster
    from casa_install.health.kube_api import KubeApi
    from casa_install.health.kube_config import read_kubeconfig
    from casa_install.report.adopt import adopt_json, adopt_text

    path = kubeconfig or _path_of(inventory or [])
    found = read_kubeconfig(path.expanduser())
    if found is None:
        raise CasaError(
            f"There is no kubeconfig {path}.",
            hint="Ask the cluster's admin for one of an account of its own, and put it there with mode 0600.",
            exit_code=ExitCode.USAGE,
        )
    probe = probe_cluster(KubeApi(found), namespace)
    code = ExitCode.OK if probe.ok else ExitCode.FAILED
    if as_json:
        print(json.dumps({"verb": "adopt", "exit_code": int(code), **adopt_json(probe)}), flush=True)
    else:
        print(adopt_text(probe), flush=True)
    if manifest is not None:
        manifest.write_text(admin_manifest(namespace), encoding="utf-8")
        print(f"\nFor the cluster's admin: kubectl apply -f {manifest}", file=sys.stderr)
    elif not probe.ok and not as_json:
        print(
            f"\nFor the cluster's admin, with `kubectl apply -f -`:\n\n{admin_manifest(namespace)}",
            flush=True,
        )
        print(
            f"Then a kubeconfig of that account: `kubectl -n {namespace} create token casa-install` "
            "(Kubernetes 1.24 and newer) makes its token.",
            flush=True,
        )
    return int(code)


def _path_of(inventory: list[str]) -> Path:
    """The path that the inventory names.

    Raises:
        CasaError: It names none, or installs a cluster of its own.
    """
    from casa_install.engine.playbook import resolve_inventory
    from casa_install.site.inventory import load_inventory
    from casa_install.site.plain import plain_value

    if not inventory:
        raise CasaError(
            "Neither an inventory nor a kubeconfig was named.",
            hint=f"Give -i INVENTORY, which sets {_VARIABLE}, or --kubeconfig FILE.",
            exit_code=ExitCode.USAGE,
        )
    site = load_inventory([Path(resolve_inventory(word)[0]) for word in inventory])
    ours = {name for name, hosts in site.members().items() if hosts} & {"k3s_server", "k3s_agent"}
    if ours:
        raise CasaError(
            f"This site installs a cluster of its own ({', '.join(sorted(ours))}); there is none to adopt.",
            hint="`casa-install status` shows it. A look at another cluster: --kubeconfig FILE.",
            exit_code=ExitCode.USAGE,
        )
    value = plain_value(site, _VARIABLE)
    if not value:
        raise CasaError(
            f"{', '.join(inventory)} does not set {_VARIABLE} in plain words.",
            hint=f"Set {_VARIABLE} to the path of the cluster's kubeconfig, or give --kubeconfig FILE.",
            exit_code=ExitCode.USAGE,
        )
    return Path(value)
