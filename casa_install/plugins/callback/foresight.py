from __future__ import annotations

DOCUMENTATION = r"""
name: foresight
type: notification
short_description: Notes what the events of a dry run do not tell
description:
  - A task whose module cannot foresee what it does is skipped in check mode, and looks like a task whose
    condition is false. A task with C(no_log) that would change something looks like one that would not. A
    plan would pass over both in silence; this writes down which they are, one JSON object per line.
  - Of a skipped task with C(no_log) nobody can tell why; a role guards it with a C(check), which is told as a
    step.
options:
  path:
    description: The file that they are appended to; nothing is written without it.
    type: path
    env: [{name: CASA_INSTALL_FORESIGHT}]
author: casa-install
"""

import json  # noqa: E402 - Ansible reads the documentation above from the head of the file
import os  # noqa: E402
from typing import Any  # noqa: E402

from ansible.plugins.callback import CallbackBase  # noqa: E402

# ansible-core 2.19-2.21: modules/command.py; basic.py `_check_for_check_mode`; plugins/action/__init__.py.
LEFT_OUT = ("would have run if not in check mode", "does not support check mode")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "casa.install.foresight"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._look(result)

    def v2_runner_on_ok(self, result: Any) -> None:
        # Of a loop some items may have been skipped.
        self._look(result)

    def _look(self, result: Any) -> None:
        if _left_out(result.result):
            self._note(result, "unknown")
        elif "censored" in result.result and result.result.get("changed") is True:
            self._note(result, "hidden")

    def _note(self, result: Any, kind: str) -> None:
        path = self.get_option("path")
        if not path:
            return
        task = result.task
        role = task._role.get_name() if task._role else ""
        row = {"kind": kind, "host": result.host.get_name(), "role": role, "task": task.name}
        line = json.dumps(row | {"action": task.action})
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def _left_out(data: Any) -> bool:
    items = data.get("results")
    parts = [data, *(items if isinstance(items, list) else ())]
    return any(
        mark in str(part.get("msg", "")) for part in parts if isinstance(part, dict) for mark in LEFT_OUT
    )
