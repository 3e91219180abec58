"""The receipt: what is ours on a host, and what was there before."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casa_install.errors import CasaError
from casa_install.plugins.module_utils.casa_state.batch import Batch
from casa_install.plugins.module_utils.casa_state.receipts import (
    Entry,
    Owed,
    Receipt,
    ReceiptError,
    dump,
    parse,
)

if TYPE_CHECKING:
    from tests.state.conftest import Site

TEXT = st.text(max_size=20)
ENTRIES = st.lists(
    st.builds(
        Entry,
        kind=TEXT,
        name=TEXT,
        phase=TEXT,
        confirmed=st.booleans(),
        run=TEXT,
        since=st.integers(0, 1 << 40),
        before=st.dictionaries(TEXT, TEXT, max_size=2),
        ours=st.dictionaries(TEXT, TEXT, max_size=2),
    ),
    max_size=4,
    unique_by=lambda entry: entry.key,
)


@given(
    ENTRIES,
    st.lists(st.builds(Owed, handler=TEXT, since=st.integers(0), proof=TEXT, reason=TEXT), max_size=3),
)
def test_a_receipt_comes_back_as_it_was_written(entries: list[Entry], owed: list[Owed]) -> None:
    receipt = Receipt("demo", entries, owed)
    assert parse(dump(receipt), "demo") == receipt


@given(st.binary(max_size=100))
def test_any_bytes_are_a_receipt_or_refused(data: bytes) -> None:
    with pytest.raises(ReceiptError):
        parse(data, "demo")


GOOD = {"schema": 1, "role": "demo", "entries": [], "owed": []}
ENTRY = {
    "kind": "file",
    "name": "/a",
    "phase": "files",
    "before": {},
    "ours": {},
    "confirmed": True,
    "run": "",
    "since": 1,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2, this casa-install reads schema 1: use the version that wrote it"),
        ({"schema": "1"}, "has schema '1'"),
        ({"role": "other"}, "says that it belongs to role 'other'"),
        ({"entries": {}}, "a list is missing"),
        ({"more": 1}, "its keys are"),
        ({"entries": [{**ENTRY, "since": "1"}]}, "since is not int"),
        ({"entries": [{**ENTRY, "confirmed": 1}]}, "confirmed is not bool"),
        ({"entries": [{**ENTRY, "x": 1}]}, "an entry has the wrong keys"),
        ({"entries": [ENTRY, ENTRY]}, "lists one thing twice"),
        ({"owed": [{"handler": 1}]}, "an entry has the wrong keys"),
    ],
)
def test_a_receipt_that_is_not_exactly_ours_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ReceiptError, match=message):
        parse(json.dumps({**GOOD, **change}).encode(), "demo")


def test_repeated_runs_keep_what_was_there_before_the_first() -> None:
    receipt = Receipt("demo")
    receipt.intend(Entry("file", "/a", "files", {"type": "absent"}, run="1", since=1))
    receipt.confirm("file", "/a", {"sha256": "x"})
    receipt.intend(Entry("file", "/a", "files", {"type": "file", "sha256": "x"}, run="2", since=2))
    (entry,) = receipt.entries
    assert (entry.before, entry.run, entry.confirmed) == ({"type": "absent"}, "1", False)


ONE_FILE = """\
    roots: ["{{ root }}"]
    handlers: {Reload: {record: true}}
    resources: [{file: "{{ root }}/f", content: "{{ content }}", sensitive: "{{ secret }}", notify: Reload}]
"""


@pytest.fixture
def one_file(site: Site) -> Site:
    site.role.write(ONE_FILE, content="ours", secret=False)
    return site


def document(site: Site) -> dict:
    found = json.loads((site.host.receipts / "demo.json").read_text())
    assert isinstance(found, dict)
    return found


def test_the_receipt_is_written_ahead_with_what_was_there_before(
    one_file: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one_file.root / "f").write_text("theirs")
    (one_file.root / "f").chmod(0o640)
    during: list[dict] = []
    monkeypatch.setattr(Batch, "_perform", lambda *_: during.append(document(one_file)) or set())
    one_file.host.engine(_batch(one_file))
    (entry,) = during[0]["entries"]
    assert entry["confirmed"] is False
    assert entry["before"]["type"] == "file"
    assert entry["before"]["mode"] == "0640"
    saved = entry["before"]["saved"]
    assert os.stat(saved).st_mode & 0o777 == 0o600
    with open(saved) as stream:
        assert stream.read() == "theirs"
    assert [owed["handler"] for owed in during[0]["owed"]] == ["Reload"]


def _batch(site: Site) -> dict:
    documents = site.host.documents
    original = site.host.engine
    site.host.engine = lambda sent: documents.append(sent) or {"done": [], "notes": [], "failures": []}  # type: ignore[method-assign]
    site.apply()
    site.host.engine = original  # type: ignore[method-assign]
    return documents[-1]


def test_a_run_killed_between_intent_and_change_is_finished_by_the_next(
    one_file: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one_file.root / "f").write_text("theirs")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Batch, "_perform", killed)
        with pytest.raises(KeyboardInterrupt):
            one_file.apply()
    assert (one_file.root / "f").read_text() == "theirs"
    outcome = one_file.apply()
    assert (one_file.root / "f").read_text() == "ours"
    assert outcome.notify == ["Reload"]
    one_file.remove()
    assert (one_file.root / "f").read_text() == "theirs"


def test_a_run_killed_between_change_and_confirm_is_finished_by_the_next(
    one_file: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Batch, "_close", killed)
        with pytest.raises(KeyboardInterrupt):
            one_file.apply()
    assert (one_file.root / "f").read_text() == "ours"
    outcome = one_file.apply()
    assert outcome.changed is False
    assert outcome.notify == ["Reload"], "what is owed was forgotten"
    assert document(one_file)["entries"][0]["confirmed"] is True


def test_no_digests_of_secrets_in_the_receipt(one_file: Site) -> None:
    import hashlib

    (one_file.root / "f").write_text("OLDCANARY")
    one_file.role.variables.update(secret=True, content="CANARY")
    one_file.apply()
    text = (one_file.host.receipts / "demo.json").read_text()
    for secret in ("CANARY", "OLDCANARY"):
        assert secret not in text
        assert hashlib.sha256(secret.encode()).hexdigest() not in text
    assert "sha256" not in text


def test_a_second_run_writes_no_receipt(one_file: Site) -> None:
    one_file.apply()
    one_file.settle()
    before = one_file.listing()
    one_file.apply()
    assert one_file.listing() == before


@pytest.mark.parametrize("wrong", ["chmod 0750 {}", "chown 1 {}", "mv {} {}2; ln -s {}2 {}"])
def test_a_receipt_directory_that_others_may_change_is_refused(one_file: Site, wrong: str) -> None:
    one_file.apply()
    one_file.role.variables["content"] = "changed"
    one_file.shell(wrong.format(*[one_file.host.receipts] * 4))
    before = one_file.listing()
    with pytest.raises(CasaError, match="must be a directory of root with mode 0700"):
        one_file.apply()
    assert one_file.listing() == before


def test_the_host_refuses_such_a_directory_by_itself_too(one_file: Site) -> None:
    batch = _batch(one_file)
    one_file.host.receipts.mkdir(parents=True)
    one_file.host.receipts.chmod(0o755)
    with pytest.raises(CasaError, match="must be a directory of root with mode 0700"):
        one_file.host.engine(batch)
    assert not (one_file.root / "f").exists()


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 7}', "garbage\x00"])
def test_a_damaged_receipt_stops_the_run_before_any_change(one_file: Site, content: str) -> None:
    one_file.apply()
    one_file.role.variables["content"] = "changed"
    (one_file.host.receipts / "demo.json").write_text(content)
    before = one_file.listing()
    for run in (one_file.apply, one_file.remove):
        with pytest.raises(CasaError, match="the receipt of role demo"):
            run()
    assert one_file.listing() == before


def test_a_file_that_could_not_be_written_does_not_stay_in_the_receipt(one_file: Site) -> None:
    one_file.role.write(
        """\
        roots: ["{{ root }}"]
        resources:
          - {file: "{{ root }}/f", content: x, validate: "false %s"}
          - {file: "{{ root }}/g", content: x}
        """
    )
    (one_file.root / "f").write_text("theirs")
    outcome = one_file.apply()
    assert [item["name"] for item in outcome.failures] == [f"{one_file.root}/f"]
    assert [entry["name"] for entry in document(one_file)["entries"]] == [f"{one_file.root}/g"]
    assert list((one_file.host.scratch / "casa" / "saved").iterdir()) == []
