"""Tables that roles hand to the end of a run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from casa_install.engine.events import Kind, parse_event
from casa_install.engine.tables import Table, parse_tables
from casa_install.report.tables import table_text

POOL = {"title": "Pool", "columns": ["machine", "cores"], "rows": [["ep1", 2], ["ep-long", 16]]}


def test_columns_are_as_wide_as_what_they_hold_and_numbers_stand_right() -> None:
    (table,) = parse_tables({"casa_report": [POOL]})
    assert table_text(table).splitlines() == [
        "Pool",
        "  machine  cores",
        "  ep1          2",
        "  ep-long     16",
    ]


def test_tables_of_several_hosts_with_one_title_become_one() -> None:
    mine = {"title": "Owed", "columns": ["host"], "rows": [["ep1"]]}
    tables = parse_tables({"casa_report": [mine, {**mine, "rows": [["ep2"]]}, {**mine, "title": "Other"}]})
    assert [(table.title, table.rows) for table in tables] == [
        ("Owed", (("ep1",), ("ep2",))),
        ("Other", (("ep1",),)),
    ]


def test_terminal_codes_and_line_breaks_of_a_host_do_not_reach_the_screen() -> None:
    table = Table("Pool", ("machine",), (("\x1b[31mep1\nrm -rf",),))
    assert table_text(table).splitlines() == ["Pool", "  machine", "  ep1 rm -rf"]


def test_the_last_event_of_a_run_carries_them() -> None:
    event = parse_event(
        {"event": "playbook_on_stats", "event_data": {"ok": {}, "artifact_data": {"casa_report": [POOL]}}}
    )
    assert event.kind is Kind.STATS
    assert [table.title for table in event.tables] == ["Pool"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["title", "columns", "rows"]), inner),
)


@given(_JSON)
def test_odd_statistics_raise_nothing(statistics: object) -> None:
    for table in parse_tables({"casa_report": statistics}):
        table_text(table)
