"""casa_state: makes a host match its role's list. Thin; the work is in `casa_install.state`."""

from __future__ import annotations

import getpass
import os
import socket
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.casa.install.plugins.plugin_utils.ansible_core import (
    CoreHost,
    CoreRenderer,
    compiled_once,
    refusal,
    role_directory,
)

from casa_install.errors import CasaError
from casa_install.state.apply import apply
from casa_install.state.document import load_state_file
from casa_install.state.host import Options, Outcome
from casa_install.state.phases import chosen_tags
from casa_install.state.remove import remove
from casa_install.state.render import render
from casa_install.state.renderer import RenderError
from casa_install.state.settle import settle

# Molecule skips these in every run of its own. They name no task of a role, so that nothing is left out with
# them, and a role's scenario sees what an ordinary run does.
_MOLECULE_TAGS = {"molecule-notest", "notest"}

_ARGUMENTS = {
    "role_path": {"type": "path"},
    "remove": {"type": "bool", "default": False},
    "settle": {"type": "bool", "default": False},
    "directory": {"type": "path", "default": "/etc/casa-install"},
}


class ActionModule(ActionBase):
    _requires_connection = True
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False
    TRANSFERS_FILES = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        wrong = refusal(self)
        if wrong:
            raise AnsibleActionFail(wrong)
        _, arguments = self.validate_argument_spec(_ARGUMENTS, mutually_exclusive=[("remove", "settle")])
        host = CoreHost(self, variables)
        try:
            outcome = self._outcome(arguments, variables, host)
        except (CasaError, RenderError) as fault:
            hint = getattr(fault, "hint", "")
            result.update(failed=True, msg=f"{fault}\nHint: {hint}" if hint else str(fault), changed=False)
            return result
        result.update(_as_result(outcome))
        return result

    def _outcome(self, arguments: dict[str, Any], variables: dict[str, Any], host: CoreHost) -> Outcome:
        role_path = Path(arguments["role_path"]) if arguments["role_path"] else role_directory(self)
        if role_path is None:
            raise CasaError("casa_state stands in no role", hint="give it `role_path:`")
        renderer = CoreRenderer(self, variables)
        options = self._options(arguments, variables, renderer)
        if arguments["remove"]:
            return remove(role_path.name, host, options)
        with compiled_once():
            desired = render(load_state_file(role_path / "state.yml"), renderer)
        return (settle if arguments["settle"] else apply)(desired, host, options)

    def _options(
        self, arguments: dict[str, Any], variables: dict[str, Any], renderer: CoreRenderer
    ) -> Options:
        run_tags = list(variables.get("ansible_run_tags", ["all"]))
        skip_tags = list(variables.get("ansible_skip_tags", []))
        limited = bool(variables.get("ansible_limit"))
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return Options(
            check=bool(self._task.check_mode),
            diff=bool(self._task.diff),
            tags=chosen_tags(run_tags, skip_tags),
            full=run_tags == ["all"] and _MOLECULE_TAGS.issuperset(skip_tags) and not limited,
            maintenance=renderer.truth("casa_maintenance | default(false) | bool"),
            run=str(variables.get("casa_run", started)),
            holder=f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()} there)",
            base=arguments["directory"],
        )


def _as_result(outcome: Outcome) -> dict[str, Any]:
    result = asdict(outcome)
    failures = result.pop("failures")
    if not result["diff"]:
        del result["diff"]
    if failures:
        lines = [
            f"{item['message']}" + (f"\n  Hint: {item['hint']}" if item["hint"] else "") for item in failures
        ]
        result.update(failed=True, failures=failures, msg="\n".join(lines))
    return result
