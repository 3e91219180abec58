"""How a person gets at a lab's hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def hub_text(
    lab: str,
    *,
    hubs: Sequence[str],
    addresses: Mapping[str, str],
    authorities: Mapping[str, Path],
    people: Mapping[str, Mapping[str, Any]],
) -> str:
    """The hub's URL, the ways to it from this computer, users and passwords.

    Args:
        lab: The lab's name.
        hubs: Names of the hosts where people log in.
        addresses: Host name -> address, of every host that a browser has to find.
        authorities: What signed them -> certificate file.
        people: Login name -> ``password``, ``uid`` and ``full_name``.
    """
    lines = [f"hub       {url}" for url in (f"https://{hub}/" for hub in hubs)]
    lines += ["          (its names and addresses exist on this computer only)", ""]
    width = max(map(len, people))
    for name, person in people.items():
        note = "" if person["uid"] else "  (may not use this facility: to see a refusal)"
        lines.append(f"user      {name:<{width}}  password {person['password']}  {person['full_name']}{note}")
    lines += ["", f"browser   casa-install lab browser {lab}", "          or your own one, with"]
    lines += [f"          in /etc/hosts      {address} {name}" for name, address in addresses.items()]
    lines += [f"          authority to trust {file} ({name})" for name, file in authorities.items()]
    return "\n".join(lines)
