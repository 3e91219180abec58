"""Our lines and blocks in a file that is not ours: bytes in, bytes out."""

from __future__ import annotations


class EditError(Exception):
    """The file is in a state where an edit would be a guess."""


def find_line(content: bytes, text: bytes, prefix: bytes) -> bytes | None:
    """Return the line in the place of ours: the last that begins with `prefix`, or `text` itself."""
    lines = content.split(b"\n")
    matching = _matching(lines, text, prefix)
    return lines[matching[-1]] if matching else None


def set_line(content: bytes, text: bytes, prefix: bytes) -> bytes:
    """Make `text` a line of `content`.

    The last line that begins with `prefix` is replaced, as Ansible's lineinfile does with the last match;
    without one, or with an empty prefix, the line is added at the end.
    """
    lines = content.split(b"\n")
    matching = _matching(lines, text, prefix)
    if matching:
        lines[matching[-1]] = text
        return b"\n".join(lines)
    separator = b"" if not content or content.endswith(b"\n") else b"\n"
    return content + separator + text + b"\n"


def remove_lines(content: bytes, text: bytes, prefix: bytes) -> bytes:
    """Remove every line that begins with `prefix`, or that equals `text` where there is no prefix."""
    lines = content.split(b"\n")
    gone = set(_matching(lines, text, prefix))
    return b"\n".join(line for number, line in enumerate(lines) if number not in gone)


def undo_line(content: bytes, text: bytes | None, prefix: bytes, replaced: bytes | None) -> bytes:
    """Take back one `set_line`.

    Args:
        content: The file now.
        text: The line we wrote; None where it is not known (it was a secret), then the prefix finds it.
        prefix: The prefix it was set by.
        replaced: The line that we had replaced, which returns to its place.
    """
    lines = content.split(b"\n")
    ours = _matching(lines, text or b"", prefix if text is None else b"")
    if not ours:
        return content
    if replaced is None:
        del lines[ours[-1]]
    else:
        lines[ours[-1]] = replaced
    return b"\n".join(lines)


def _matching(lines: list[bytes], text: bytes, prefix: bytes) -> list[int]:
    # What follows the last newline is no line unless there is something in it.
    count = len(lines) - 1 if lines and lines[-1] == b"" else len(lines)
    if prefix:
        return [number for number in range(count) if lines[number].startswith(prefix)]
    return [number for number in range(count) if lines[number] == text]


def set_block(content: bytes, begin: bytes, end: bytes, block: bytes) -> bytes:
    """Make the lines of `block` stand between the marker lines, at the place of the old block or at the end.

    Raises:
        EditError: The markers are not one pair in order.
    """
    inner = block if not block or block.endswith(b"\n") else block + b"\n"
    whole = begin + b"\n" + inner + end + b"\n"
    lines = content.split(b"\n")
    span = _span(lines, begin, end)
    if span is None:
        separator = b"" if not content or content.endswith(b"\n") else b"\n"
        return content + separator + whole
    start, stop = span
    head = b"".join(line + b"\n" for line in lines[:start])
    return head + whole + b"\n".join(lines[stop + 1 :])


def drop_block(content: bytes, begin: bytes, end: bytes) -> bytes:
    """Remove our block with its markers.

    Raises:
        EditError: The markers are not one pair in order.
    """
    lines = content.split(b"\n")
    span = _span(lines, begin, end)
    if span is None:
        return content
    start, stop = span
    return b"".join(line + b"\n" for line in lines[:start]) + b"\n".join(lines[stop + 1 :])


def get_block(content: bytes, begin: bytes, end: bytes) -> bytes | None:
    """Return what stands between the markers; None where there are none."""
    lines = content.split(b"\n")
    span = _span(lines, begin, end)
    if span is None:
        return None
    return b"".join(line + b"\n" for line in lines[span[0] + 1 : span[1]])


def _span(lines: list[bytes], begin: bytes, end: bytes) -> tuple[int, int] | None:
    starts = [number for number, line in enumerate(lines) if line == begin]
    stops = [number for number, line in enumerate(lines) if line == end]
    if not starts and not stops:
        return None
    if len(starts) != 1 or len(stops) != 1 or starts[0] > stops[0]:
        raise EditError(
            f"the marker lines {begin.decode('utf-8', 'replace')!r} and {end.decode('utf-8', 'replace')!r} "
            "are not there exactly once each, in this order"
        )
    return starts[0], stops[0]
