"""What it means that a node leaves its cluster, as people read it before they say yes."""

from __future__ import annotations

from typing import Any

from casa_install.report.host_language import host_names


def leaving_text(look: dict[str, Any], *, dead: bool, forget: bool) -> str:
    """Return what would become of a node and of what stands on it.

    Args:
        look: What `casa_install.cluster.leave` said.
        dead: The host is not touched.
        forget: Only the cluster forgets it, for a machine that was installed anew.
    """
    name = look["node"]
    state = "Ready" if not look["why"] else f"not Ready ({look['why']})"
    who = f"{name} ({look['role']}, {state}, {look['version']})" if look["exists"] else f"{name} (no node)"
    lines = [f"Would leave the cluster: {who}"]
    if look["exists"]:
        lines += _pods(look, moved=not dead)
    if look["volumes"]:
        lines.append(f"  volumes that lie on it alone, lost to the cluster: {', '.join(look['volumes'])}")
    if look["password"]:
        lines.append("  the cluster forgets its password, so that a machine of this name can join anew")
    lines += [f"  {note}" for note in look["notes"]]
    if not dead:
        lines.append(
            f"  then k3s goes from {name}, with its containers; `casa-install explain {name}` lists what"
        )
    elif not forget:
        lines.append(
            "  the host itself is not touched: should it come back, `casa-install uninstall -l` cleans it"
        )
    return "\n".join(lines)


def _pods(look: dict[str, Any], *, moved: bool) -> list[str]:
    kinds = (
        ("moves", "pods that move to other nodes" if moved else "pods that are made anew on other nodes"),
        ("lost", "pods that nothing makes anew"),
        ("stays", "pods of the node itself, which end"),
    )
    return [f"  {what} ({len(look[key])}): {_names(look[key])}" for key, what in kinds if look[key]]


def _names(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])}, and {len(names) - 12} more"


def others_text(look: dict[str, Any]) -> str:
    """Return the names of the cluster's nodes."""
    return host_names(sorted(look["nodes"])) if look["nodes"] else "none"
