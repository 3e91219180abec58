"""What people read: messages, cards, tables."""

import io

import pytest

from casa_install.engine.events import Event, Fault, JournalLines, Kind, parse_event, plain_text
from casa_install.engine.outcome import Failure, HostResult, RunResult, Tally, conclude
from casa_install.errors import CasaError, ExitCode
from casa_install.report.cards import failure_cards
from casa_install.report.messages import labelled, show_error
from casa_install.report.phases import clock
from casa_install.report.progress import PlainProgress, progress_on
from casa_install.report.results import result_text
from casa_install.report.symptoms import likely_cause, symptoms


class Terminal(io.StringIO):
    def isatty(self):
        return True


def failed(message="no", **more):
    failure = Failure(
        "Start it", "casa.install.htcondor", "Play", "/x/main.yml:3", "fail", Fault(message), **more
    )
    return HostResult(failed=1, failures=[failure])


def test_labels_are_right_aligned_and_text_hangs_beside_them(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = io.StringIO()
    show_error(CasaError("word " * 20, hint="one\n  kept as is", exit_code=ExitCode.USAGE), stream=stream)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("   Error: word")
    assert lines[1].startswith("          word")
    assert max(len(line) for line in lines) <= 60
    assert lines[-2:] == ["    Hint: one", "            kept as is"]


def test_no_color_is_honoured(monkeypatch):
    error = CasaError("x")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    show_error(error, stream=coloured)
    assert "\x1b[" in coloured.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    show_error(error, stream=plain)
    assert "\x1b" not in plain.getvalue()


def test_card_names_host_task_message_journal_and_cause():
    journal = JournalLines("condor.service", ("No space left on device",))
    (card,) = failure_cards({"ep1": failed("Unable to start service condor", journal=journal)})
    assert card.startswith("── ep1: failed")
    assert "Tried: htcondor: Start it" in card
    assert "condor.service\n            No space left on device" in card
    assert "Likely: A file system on the host is full." in card
    assert "Look: ssh ep1 df -h" in card


def test_hosts_with_the_same_failure_share_a_card():
    hosts = {f"ep{n}": failed(f"no disk on ep{n}") for n in range(6)} | {"cm": failed("other")}
    cards = failure_cards(hosts)
    assert len(cards) == 2
    assert "ep0, ep1, ep2, ep3 and 2 more: failed" in cards[1]


def test_failure_that_a_rescue_answered_is_named_before_the_last():
    host = failed("gave up")
    host.failures.insert(
        0, Failure("Do it", "casa.install.htcondor", "Play", "", "command", Fault("the cause"))
    )
    (card,) = failure_cards({"h": host})
    assert "Before: htcondor: Do it\n          the cause" in card


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("ssh: connect to host h port 22: Connection refused", "no SSH server listens"),
        ("ssh: connect to host h port 22: Connection timed out", "Nothing answers"),
        ("Host key verification failed.", "is not known on this computer"),
        (
            "@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@ Host key verification failed.",
            "another SSH key",
        ),
        ("root@h: Permission denied (publickey,password).", "refuses this login"),
        ("Missing sudo password", "asks for a password"),
        ("Incorrect sudo password", "does not accept"),
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7",
            "Another package manager",
        ),
        ("OSError: [Errno 28] No space left on device", "is full"),
        ("Could not resolve hostname ep9: Name or service not known", "no address here"),
        ("Temporary failure in name resolution", "cannot resolve names"),
        ("AUTHENTICATE:1004:Failed to authenticate using IDTOKENS", "TRUST_DOMAIN differs"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "no Python"),
        ("The module interpreter '/usr/bin/python3.99' was not found.", "no Python"),
    ],
)
def test_symptom(text, cause):
    assert cause in likely_cause(text).cause


def test_every_symptom_has_a_cause_and_a_fix():
    assert len(symptoms()) > 20
    assert all(symptom.cause and symptom.fix for symptom in symptoms())
    assert likely_cause("nothing that anybody knows") is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (None, {}),
        ("runner_on_ok", None),
        ("runner_on_ok", {"host": "h", "res": {"cmd": [], "changed": "yes"}}),
        ("runner_on_ok", {"host": "h", "res": {"cmd": 7}}),
        ("runner_on_ok", {"host": 3, "duration": "x"}),
        ("runner_on_failed", {"host": "h", "res": "text"}),
        ("runner_on_failed", {"host": "h", "res": {"results": [1, None, {"failed": True}]}}),
        ("runner_on_failed", {"host": "h", "res": {"results": 5, "msg": {"a": 1}}}),
        ("playbook_on_stats", {"ok": 0, "dark": {"h": "x"}}),
    ],
)
def test_odd_events_are_taken_without_a_fault(name, data):
    tally = Tally()
    event = parse_event({"event": name, "event_data": data, "stdout": 5})
    tally.add(event)
    PlainProgress(io.StringIO()).event(event)
    conclude(tally, 0, interrupted=False)


def test_items_that_failed_are_named_and_hidden_ones_stay_hidden():
    items = [
        {"failed": True, "msg": "bad", "_ansible_item_label": "one"},
        {"failed": False, "msg": "good"},
        {"failed": True, "censored": "x", "msg": "s3cret"},
    ]
    event = parse_event({"event": "runner_on_failed", "event_data": {"host": "h", "res": {"results": items}}})
    assert event.fault.message == "one: bad\nhidden (no_log)"


def test_plain_progress_has_a_line_per_phase_and_per_failure():
    stream = io.StringIO()
    with progress_on(stream, plain=False) as progress:
        progress.event(Event(Kind.PLAY, play="Install"))
        progress.event(Event(Kind.START, host="a", task="T"))
        progress.event(Event(Kind.OK, host="a", task="T", changed=True))
        progress.event(Event(Kind.FAILED, host="b", task="T", fault=Fault("no")))
        progress.event(Event(Kind.STATS))
    assert stream.getvalue().splitlines() == [
        "Install ...",
        "  b: failed: T",
        "Install: 2 hosts, 1 changed, 1 failed, 0:00",
    ]


def test_live_progress_leaves_one_line_per_phase(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with progress_on(stream, plain=False) as progress:
        progress.event(Event(Kind.PLAY, play="Install"))
        progress.event(Event(Kind.OK, host="a", task="T", changed=True))
        progress.tick()
        progress.event(Event(Kind.PLAY, play="Prove"))
        progress.event(Event(Kind.UNREACHABLE, host="a", task="T", fault=Fault("no")))
        progress.event(Event(Kind.STATS))
    text = plain_text(stream.getvalue())
    assert "✓ Install" in text
    assert "✗ Prove" in text
    assert "1 unreachable" in text


def test_result_of_an_interrupted_run_says_what_was_in_progress(tmp_path):
    result = RunResult("interrupted", {"h": HostResult(running="Install it")}, 61.0, 1)
    text = result_text(
        result, run=tmp_path, go_on="casa-install site.yml", next_step="", check=False, colour=False
    )
    assert "Interrupted: 1 host, no change, 1:01." in text
    assert "In progress on h: Install it" in text
    assert "Go on: casa-install site.yml" in text


def test_clock():
    assert [clock(s) for s in (0, 61, 3661)] == ["0:00", "1:01", "1:01:01"]


def test_label_without_text():
    assert labelled("Log", "") == "     Log:"
