"""Clearing the records of handlers that are owed, once the handlers have run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.state.apply import Apply

if TYPE_CHECKING:
    from casa_install.state.host import Host, Options, Outcome
    from casa_install.state.render import Desired


def settle(desired: Desired, host: Host, options: Options) -> Outcome:
    """Clear what is proved, and tell what is not.

    Meant as the last handler of a role: it runs after the others, and only if they did not fail. So a handler
    whose only proof is our record is settled by that; one with a proof by time must show it.

    Args:
        desired: What the role wants on this host.
        host: The host.
        options: How the run was asked for.

    Returns:
        `failures` names the handlers that ran without the service showing it.
    """
    run = Apply(desired, host, options)
    if options.check:
        return run.outcome
    comparison = run.look()
    still_owed = {
        debt.handler.name: debt
        for debt in comparison.owed
        if debt.handler.proof != "record" and not debt.handler.drain
    }
    known = desired.handlers
    cleared = [
        owed.handler
        for owed in comparison.view.receipt.owed
        if owed.handler not in still_owed
        and not (
            owed.handler in known and known[owed.handler].drain and owed.handler not in comparison.settled
        )
    ]
    if cleared:
        document = {
            "do": "apply",
            "base": options.base,
            "schema": 1,
            "role": desired.role,
            "run": options.run,
            "holder": options.holder,
            "settle": cleared,
        }
        host.engine(document)
    for name, debt in still_owed.items():
        message = f"{name!r} has run, but the service does not show it: {debt.reason}"
        hint = f"systemctl status {debt.handler.unit}" if debt.handler.unit else ""
        run.outcome.failures.append({"name": name, "message": message, "hint": hint})
    return run.outcome
