"""Taking a role off a host, from its receipt alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.state.answer import read_answer
from casa_install.state.apply import Apply
from casa_install.state.host import require_root
from casa_install.state.probe import ask
from casa_install.state.receipts import plan_removal, read_receipt
from casa_install.state.render import Desired

if TYPE_CHECKING:
    from casa_install.state.host import Host, Options, Outcome


def remove(role: str, host: Host, options: Options) -> Outcome:
    """Play a role's receipt backwards; in check mode only tell.

    The role's list is not read: what counts is what was done to this host.

    Args:
        role: The role's name.
        host: The host.
        options: How the run was asked for.

    Raises:
        CasaError: The receipt cannot be trusted; nothing was changed.
    """
    nothing = Desired(role, (), {}, ())
    question = ask(nothing, base=options.base)
    observed = read_answer(question, host.probe(question.script))
    require_root(observed)
    receipt = read_receipt(role, observed, base=options.base)
    run = Apply(nothing, host, options)
    steps = plan_removal(receipt)
    if options.check:
        run.outcome.done = [step.text for step in steps if step.action != "keep"]
        run.outcome.changed = bool(run.outcome.done)
    elif steps or receipt.owed:
        run.take_away(
            [step.entry for step in steps], observed.manager, [owed.handler for owed in receipt.owed]
        )
    run.outcome.notes += [step.text for step in steps if step.action == "keep"]
    return run.outcome
