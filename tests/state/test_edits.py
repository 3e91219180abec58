"""Our lines and blocks in foreign files."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from casa_install.plugins.module_utils.casa_state import edits

LINE = st.binary(min_size=1, max_size=12).filter(lambda line: b"\n" not in line)
CONTENT = st.one_of(
    st.binary(max_size=80),
    st.lists(LINE, max_size=6).map(lambda lines: b"".join(line + b"\n" for line in lines)),
)
BEGIN, END = b"# BEGIN casa-install x", b"# END casa-install x"


@given(CONTENT, LINE)
def test_a_line_that_is_added_and_taken_back_leaves_the_file_as_it_was(content: bytes, text: bytes) -> None:
    assume(edits.find_line(content, text, b"") is None)
    changed = edits.set_line(content, text, b"")
    assert edits.find_line(changed, text, b"") == text
    ended = content if not content or content.endswith(b"\n") else content + b"\n"
    assert edits.undo_line(changed, text, b"", None) == ended


@given(CONTENT, LINE, LINE)
def test_setting_a_line_twice_changes_nothing_more(content: bytes, text: bytes, prefix: bytes) -> None:
    for start in (b"", prefix):
        line = start + text
        once = edits.set_line(content, line, start)
        assert edits.set_line(once, line, start) == once
        assert edits.find_line(once, line, start) == line


@given(st.lists(LINE, min_size=1, max_size=6), st.data())
def test_a_replaced_line_comes_back_in_its_place(lines: list[bytes], data: st.DataObject) -> None:
    prefix = data.draw(st.sampled_from(lines))[:1]
    content = b"".join(line + b"\n" for line in lines)
    text = prefix + b"our own text, which nobody else has"
    replaced = edits.find_line(content, text, prefix)
    assert replaced is not None
    changed = edits.set_line(content, text, prefix)
    assert edits.undo_line(changed, text, prefix, replaced) == content
    assert edits.undo_line(changed, None, prefix, replaced) == content


@given(CONTENT, st.lists(LINE, max_size=4).map(b"\n".join))
def test_a_block_that_is_added_and_dropped_leaves_the_file_as_it_was(content: bytes, block: bytes) -> None:
    assume(BEGIN not in content + block)
    assume(END not in content + block)
    changed = edits.set_block(content, BEGIN, END, block)
    inner = block if not block or block.endswith(b"\n") else block + b"\n"
    assert edits.get_block(changed, BEGIN, END) == inner
    assert edits.set_block(changed, BEGIN, END, block) == changed
    ended = content if not content or content.endswith(b"\n") else content + b"\n"
    assert edits.drop_block(changed, BEGIN, END) == ended


@given(CONTENT, CONTENT, st.binary(max_size=20))
def test_what_is_around_a_block_stays_byte_for_byte(before: bytes, after: bytes, block: bytes) -> None:
    for text in (before, after, block):
        assume(BEGIN not in text)
        assume(END not in text)
    head = before if not before or before.endswith(b"\n") else before + b"\n"
    content = head + BEGIN + b"\nold\n" + END + b"\n" + after
    changed = edits.set_block(content, BEGIN, END, block)
    assert changed.startswith(head + BEGIN + b"\n")
    assert changed.endswith(END + b"\n" + after)


@pytest.mark.parametrize(
    "content", [BEGIN + b"\n", END + b"\n", END + b"\n" + BEGIN + b"\n", (BEGIN + b"\n" + END + b"\n") * 2]
)
def test_markers_that_are_no_pair_are_never_guessed_at(content: bytes) -> None:
    for edit in (edits.get_block, edits.drop_block):
        with pytest.raises(edits.EditError, match="exactly once each"):
            edit(content, BEGIN, END)
    with pytest.raises(edits.EditError):
        edits.set_block(content, BEGIN, END, b"x")


def test_the_last_matching_line_is_replaced_as_lineinfile_does() -> None:
    assert edits.set_line(b"p 1\nq\np 2\n", b"p 3", b"p ") == b"p 1\nq\np 3\n"


def test_removing_lines_removes_all_that_match() -> None:
    assert edits.remove_lines(b"p 1\nq\np 2", b"", b"p ") == b"q"
    assert edits.remove_lines(b"p\nq\np\n", b"p", b"") == b"q\n"
