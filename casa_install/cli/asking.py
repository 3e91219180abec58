"""Asking all hosts of a site's pool, its caches, hubs and cluster, for the verbs that only look."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casa_install.cli.options import AnsibleOptions, Target
    from casa_install.health.answers import AnswerReader

_GROUPS = {"condor_manager": "manager", "condor_access": "access", "condor_execute": "execute"}
_KINDS = {"k3s_server": "server", "k3s_agent": "agent"}


@dataclass(slots=True)
class Asked:
    """What came of it; the verb sets `exit_code`, which the run's journal keeps.

    Attributes:
        answers: What hosts said.
        groups: Host -> `manager`, `access`, `execute`.
        caches: Hosts with a cache.
        hubs: Hosts with a notebook hub.
        nodes: Host with k3s -> `server` or `agent`.
        lost: Host -> why it could not be asked.
        run: Name of the run.
        exit_code: The process status.
    """

    answers: AnswerReader
    groups: Mapping[str, list[str]]
    caches: tuple[str, ...]
    hubs: tuple[str, ...]
    nodes: Mapping[str, str]
    lost: Mapping[str, str]
    run: str
    exit_code: int = int(ExitCode.OK)


@contextmanager
def asked(
    verb: str,
    command: list[str],
    target: Target,
    options: AnsibleOptions,
    *,
    plain: bool,
    silent: bool = False,
) -> Iterator[Asked]:
    """Play the verb's playbook, and yield what hosts said.

    Raises:
        CasaError: The site has no host that can be asked, or the playbook could not be played.
    """
    from casa_install.engine.job import Job, begun
    from casa_install.health.answers import AnswerReader
    from casa_install.report.progress import progress_on

    groups = parts_of(target)
    caches, hubs = (
        tuple(host for host in target.site.hosts if host in target.site.groups.get(group, ()))
        for group in ("xcache", "notebook")
    )
    nodes = _nodes_of(target)
    if not groups and not caches and not hubs and not nodes:
        raise CasaError(
            f"{', '.join(target.inventories)} has no HTCondor host, no cache, no notebook hub and no k3s.",
            hint="Put hosts into condor_manager, condor_access, condor_execute, xcache, notebook, k3s_server"
            " and k3s_agent.",
            exit_code=ExitCode.USAGE,
        )
    job = Job(
        verb=verb,
        command=command,
        playbook=target.playbook,
        inventories=target.inventories,
        site=target.site,
        passwords=target.passwords,
        options=options.words(len(groups.keys() | set(caches) | set(hubs) | nodes.keys())),
        exclusive=False,  # it changes nothing, so a run that goes on does not disturb it
    )
    reader = AnswerReader()
    with begun(job) as run:
        stream = open(os.devnull, "w") if silent else sys.stderr  # noqa: SIM115, PTH123
        with progress_on(stream, plain=plain) as progress:
            result = run.play(progress, listen=reader.add)
        if not reader.hosts and not reader.unreachable and not reader.faults:
            run.close(result, int(ExitCode.FAILED))
            raise CasaError(result.error or "No host was asked.", hint=f"{run.directory.path}/log has more.")
        lost = dict.fromkeys(reader.unreachable, "it cannot be reached over SSH") | reader.faults
        found = Asked(reader, groups, caches, hubs, nodes, lost, run.journal.id)
        yield found
        run.close(result, found.exit_code)


def parts_of(target: Target) -> dict[str, list[str]]:
    """Return the site's HTCondor hosts with which parts of the pool they are."""
    parts: dict[str, list[str]] = {}
    for group, part in _GROUPS.items():
        for host in target.site.groups.get(group, ()):
            parts.setdefault(host, []).append(part)
    return {host: parts[host] for host in target.site.hosts if host in parts}


def _nodes_of(target: Target) -> dict[str, str]:
    """The site's k3s hosts; one that is in both groups is a server."""
    kinds = {
        host: kind for group, kind in reversed(_KINDS.items()) for host in target.site.groups.get(group, ())
    }
    return {host: kinds[host] for host in target.site.hosts if host in kinds}
