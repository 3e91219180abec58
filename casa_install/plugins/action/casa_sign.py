"""casa_sign: signs hosts' certificates on the controller. Thin; the work is in `casa_install.trust`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.casa.install.plugins.plugin_utils.ansible_core import secret_variable

from casa_install.errors import CasaError
from casa_install.state.renderer import RenderError
from casa_install.trust.signing import sign_all

_ARGUMENTS = {
    "certificates": {"type": "list", "elements": "dict", "default": []},
    "requests": {"type": "dict", "default": {}},
    "days": {"type": "int", "default": 90},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, arguments = self.validate_argument_spec(_ARGUMENTS)
        try:
            # Read here and never a task's argument: those are in logs and events.
            key = secret_variable(self, variables, "trust_ca_key")
            certificate = str(self._templar.template(variables.get("trust_ca_certificate", "")))
            signed = sign_all(
                certificate,
                key,
                certificates=arguments["certificates"],
                requests=arguments["requests"],
                lifetime=timedelta(days=arguments["days"]),
                now=datetime.now(UTC),
            )
        except (CasaError, RenderError) as fault:
            hint = getattr(fault, "hint", "")
            result.update(failed=True, changed=False, msg=f"{fault}\nHint: {hint}" if hint else str(fault))
            return result
        result.update(changed=False, signed=signed)
        return result
