"""The order in which a host is changed, and which tags choose what."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from casa_install.state.resources import File, Phase, Tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from casa_install.state.resources import Resource

ORDER: tuple[str, ...] = get_args(Phase)
"""Repositories and keys, packages, accounts, (probe again), files, units, checks."""

BEFORE_THE_SECOND_PROBE = ("repositories", "packages", "accounts")
"""These make files and users of their own, so the host is looked at again after them."""

TAGS: tuple[str, ...] = get_args(Tag)


def tag_of(resource: Resource) -> str:
    """Return the tag that chooses a resource."""
    return "packages" if isinstance(resource, File) and resource.repository else resource.tag


def selected(resource: Resource, tags: Collection[str]) -> bool:
    """Tell whether a resource is among those that `tags` choose; no tags choose all.

    What a package needs first comes along with the packages.
    """
    return not tags or tag_of(resource) in tags or (resource.before and "packages" in tags)


def chosen_tags(run_tags: Iterable[str], skip_tags: Iterable[str]) -> frozenset[str]:
    """Return the tags of ours that a run selects; empty means that nothing is left out.

    Args:
        run_tags: Ansible's `ansible_run_tags`.
        skip_tags: Ansible's `ansible_skip_tags`.
    """
    run, skip = set(run_tags) & set(TAGS), set(skip_tags) & set(TAGS)
    if not run and not skip:
        return frozenset()
    return frozenset((run or set(TAGS)) - skip)
