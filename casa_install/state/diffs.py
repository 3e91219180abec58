"""What changes inside a file, for `--diff`; nothing that is sensitive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.state.resources import Block, File, Line, LocalFile, PathResource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.state.differences import Difference

_BINARY = "(not text)\n"
_LARGE = "(too large to show)\n"


def diff_of(item: Difference, contents: Mapping[str, bytes | None]) -> dict[str, str] | None:
    """Return the diff of one difference in Ansible's form.

    Args:
        item: The difference.
        contents: What is in files now, as far as the host could show it.

    Returns:
        None where there is nothing to show, or where it must not be shown.
    """
    resource = item.resource
    if resource.sensitive or not isinstance(resource, PathResource):
        return None
    before, after = "".join(f"{detail}\n" for detail in item.details), f"{item.text}\n"
    if isinstance(resource, File) and item.aspects & {"content", "missing", "type"}:
        after = _text(resource.content)
        before = _text(contents.get(resource.path) or b"")
    elif isinstance(resource, Line):
        after = f"{resource.text}\n" if resource.state == "present" else ""
    elif isinstance(resource, Block):
        after = resource.content if resource.state == "present" else ""
    return {"before": before, "after": after, "before_header": resource.name, "after_header": resource.name}


def _text(content: bytes | LocalFile) -> str:
    if isinstance(content, LocalFile):
        return _LARGE
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _BINARY
