"""What hosts answer to `playbooks/status.yml` and `playbooks/verify.yml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.engine.events import Kind

if TYPE_CHECKING:
    from casa_install.engine.events import Event


class AnswerReader:
    """Listens to a run and keeps what each host answered, from all of its tasks.

    Attributes:
        hosts: Inventory name -> what the host said.
        unreachable: Hosts that could not be asked.
        faults: Hosts where asking failed -> why.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, dict[str, Any]] = {}
        self.unreachable: list[str] = []
        self.faults: dict[str, str] = {}

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if event.kind is Kind.UNREACHABLE:
            self.unreachable.append(event.host)
        elif event.kind is Kind.FAILED:
            self.faults[event.host] = event.fault.message if event.fault else "failed"
        elif event.answer is not None:
            self.hosts.setdefault(event.host, {}).update(event.answer)
