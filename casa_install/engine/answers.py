"""What a host says of its health, as `playbooks/status.yml` and `playbooks/verify.yml` bring it."""

from __future__ import annotations

import json
from typing import Any

ANSWER = "casa-install answer 1\n"
"""The line before an answer."""


def parse_answer(output: object) -> dict[str, Any] | None:
    """Return the answer in a task's standard output, or None where it is another task's; never raises."""
    if not isinstance(output, str) or not output.startswith(ANSWER):
        return None
    try:
        answer = json.loads(output[len(ANSWER) :])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
