from __future__ import annotations

DOCUMENTATION = r"""
name: only_for_real
type: notification
short_description: Notes which tasks a dry run had to leave out
description:
  - A task whose module cannot foresee what it does is skipped in check mode. What Ansible reports of it looks
    like a task whose condition is false, so a plan would pass over it in silence. This writes down which they
    are, one JSON object per line.
  - Of a task with C(no_log) nobody can tell; a role guards it with a C(check), which is told as a step.
options:
  path:
    description: The file that they are appended to; nothing is written without it.
    type: path
    env: [{name: CASA_INSTALL_ONLY_FOR_REAL}]
author: casa-install
"""

import json  # noqa: E402 - Ansible reads the documentation above from the head of the file
import os  # noqa: E402
from typing import Any  # noqa: E402

from ansible.plugins.callback import CallbackBase  # noqa: E402

# ansible-core 2.19-2.21: modules/command.py; basic.py `_check_for_check_mode`; plugins/action/__init__.py.
MARKS = ("would have run if not in check mode", "does not support check mode")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "casa.install.only_for_real"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._note(result)

    def v2_runner_on_ok(self, result: Any) -> None:
        # Of a loop some items may have been skipped.
        self._note(result)

    def _note(self, result: Any) -> None:
        path = self.get_option("path")
        if not path or not result.task.check_mode or not _left_out(result.result):
            return
        role = result.task._role.get_name() if result.task._role else ""
        line = json.dumps({"host": result.host.get_name(), "role": role, "task": result.task.name})
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def _left_out(data: Any) -> bool:
    items = data.get("results")
    parts = [data, *(items if isinstance(items, list) else ())]
    return any(
        mark in str(part.get("msg", "")) for part in parts if isinstance(part, dict) for mark in MARKS
    )
