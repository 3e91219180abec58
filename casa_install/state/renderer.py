"""What the engine needs of a template language; Ansible's own is lent to it from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class RenderError(Exception):
    """A template that cannot be rendered.

    Args:
        message: Why.
        public: The message holds no value, so it may be shown for a sensitive resource too.
    """

    def __init__(self, message: str, *, public: bool = True) -> None:
        super().__init__(message)
        self.public = public


class Renderer(Protocol):
    """Templates of one host. Every method raises `RenderError` where it cannot do its work."""

    def value(self, template: str) -> Any:
        """Render a text; a text that is one expression gives that expression's own type, as in Ansible."""

    def truth(self, condition: str) -> bool:
        """Evaluate a bare expression, as Ansible's `when:` does."""

    def template(self, path: Path) -> str:
        """Render a template file with the options of Ansible's template module."""

    def load_variables(self, path: Path) -> Mapping[str, Any]:
        """Read a file of variables."""

    def with_variables(self, variables: Mapping[str, Any]) -> Renderer:
        """Return a renderer that knows these variables too; they win over others of the same name."""
