"""What tasks say about changes: any result is taken, and hidden results stay hidden."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from casa_install.engine.events import parse_event
from casa_install.engine.foresight import Foresight
from casa_install.engine.receipts import parse_receipts
from casa_install.engine.removal import foresee_removal

STATE = {
    "changed": True,
    "differences": [
        {"kind": "file", "name": "/a", "phase": "files", "verdict": "change", "text": "write /a"},
        {"kind": "check", "name": "j", "phase": "checks", "verdict": "step", "text": "do the step 'j'"},
        {"kind": "unit", "name": "x", "phase": "units", "verdict": "report", "text": "x is masked"},
    ],
    "done": ["write /a", "remove file /old"],
    "notify": ["Reload x"],
    "needs_drain": ["Restart x"],
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=8), part, max_size=3),
    max_leaves=10,
)


def ok(result, action="casa.install.casa_state", task="Ensure", role="casa.install.demo", host="h"):
    data = {"host": host, "task": task, "task_action": action, "resolved_role": role, "res": result}
    return parse_event({"event": "runner_on_ok", "event_data": data})


def foreseen(*events):
    foresight = Foresight()
    for event in events:
        foresight.add(event)
    return foresight.of("h")


def test_verdicts_go_where_they_belong():
    host = foreseen(ok(STATE))
    assert [item.text for item in host.changes] == ["write /a"]
    assert [item.text for item in host.steps] == ["do the step 'j'"]
    assert [item.text for item in host.left] == ["x is masked"]
    assert (host.removals, host.handlers, host.drain) == (["remove file /old"], ["Reload x"], ["Restart x"])


def test_handler_is_told_once_and_a_debug_is_no_change():
    changed = {"changed": True}
    host = foreseen(
        ok(STATE),
        ok(changed, action="ansible.builtin.debug", task="Pass on"),
        ok(changed, action="ansible.builtin.systemd_service", task="Reload x"),
        ok(changed, action="ansible.builtin.command", task="Join"),
    )
    assert host.tasks == ["demo: Join"]


def test_hidden_result_of_casa_state_is_shown_as_a_task():
    host = foreseen(ok({"censored": "hidden", "changed": True, "differences": []}))
    assert (host.tasks, host.changes) == (["demo: Ensure"], [])


def test_hidden_items_of_a_loop_have_no_diff():
    shown, hidden = (
        {"diff": {"before": "", "after": text, "after_header": text}} for text in ("open", "CANARY")
    )
    event = ok({"changed": True, "results": [shown, hidden | {"censored": "hidden"}]}, action="copy")
    assert [diff.after for diff in event.diffs] == ["open"]


@given(anything, st.sampled_from(["casa.install.casa_state", "ansible.builtin.command"]))
def test_any_result_is_taken(value, action):
    for result in (value, {"differences": [value], "diff": value, "results": [value], "done": value}):
        foreseen(ok(result, action=action))
        foreseen(ok({"stdout": f"casa-install receipts 1\nreceipt x {value}\n"}, action=action))


def answer(*lines: str) -> dict[str, str]:
    return {"stdout": "\n".join(["casa-install receipts 1", *lines, "end"])}


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def receipt(role: str, *names: str) -> str:
    entries = [
        {
            "kind": "file", "name": name, "phase": "files", "before": {"type": "absent"}, "ours": {},
            "confirmed": True, "run": "r", "since": 1,
        }
        for name in names
    ]  # fmt: skip
    return f"receipt {role} " + encoded({"schema": 1, "role": role, "entries": entries, "owed": []})


def test_cut_damaged_and_foreign_receipts_leave_a_host_whole():
    newer = f"receipt base {encoded({'schema': 2})}"
    hosts = {
        "good": answer(receipt("base", "/a")),
        "cut": {"stdout": "casa-install receipts 1\n" + receipt("base", "/a")},
        "newer": answer(receipt("htcondor", "/b"), newer),
        "damaged": answer("receipt base !!!"),
        "foreign": answer(receipt("base", "/a"), receipt("novel", "/n")),
        "empty": answer(),
    }
    found = {name: parse_receipts(result) for name, result in hosts.items()}
    preview = foresee_removal(found, {"base", "htcondor"}, {"base"})
    assert list(preview.hosts) == ["good"]
    assert set(preview.left) == {"cut", "newer", "damaged", "foreign"}
    assert "schema 2" in preview.left["newer"]
    assert "cut off" in preview.left["cut"]


def test_roles_go_in_reverse_order_and_things_too():
    host = parse_receipts(answer(receipt("base", "/a"), receipt("htcondor", "/b", "/c")))
    preview = foresee_removal({"h": host}, {"base", "htcondor"}, {"site", "base"})
    assert {role: [step.text for step in steps] for role, steps in preview.hosts["h"].items()} == {
        "htcondor": ["remove /c", "remove /b"],
        "base": ["remove /a"],
    }
    assert list(preview.hosts["h"]) == ["htcondor", "base"]


def test_output_of_other_commands_is_no_receipt():
    assert parse_receipts({"stdout": "hello"}) is None
    assert parse_receipts({"stdout": "casa-install receipts 1\nend", "censored": "x"}) is None
