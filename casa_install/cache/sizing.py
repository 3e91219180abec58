"""How large a cache's blocks and buffers are, worked out from what it is for.

`pfc.ram` is not a cache in memory: it holds the blocks that are on their way from the origin to readers
and to
the disk. When it is full, reads bypass the cache. So it follows from the number of readers, from how many
blocks each of them has under way, and from the size of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.cache.sizes import GIB, KIB, MIB, size_bytes, size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

RAM_MIN = GIB
"""XRootD refuses to start with less (XrdPfcConfiguration.cc)."""
RAM_MAX = 256 * GIB
_READ_BLOCKS = 2
"""Blocks that a reader has under way besides those that are prefetched: one is read, one is written to
disk."""
_MARGIN = 2
"""Reads with several vectors need more blocks at a time than the average."""

# Workload -> disk -> size of a block, blocks to prefetch. Columns of NanoAOD are short: larger blocks and
# blocks
# ahead fetch what nobody asked for (one branch of 1.5 MB cost 4.5 MB with 128k and 0, 13.9 MB with 128k
# and 3,
# 12.4 MB with 512k and 0, molecule/xcache). A spinning disk pays a seek for each block, so they are larger
# there.
_BLOCKS = {
    "nanoaod": {"ssd": (128 * KIB, 0), "hdd": (256 * KIB, 0)},
    "whole-file": {"ssd": (MIB, 10), "hdd": (MIB, 10)},
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it came from.

    Attributes:
        value: As XRootD reads it.
        source: `set` by the site, or `computed`.
        because: How it was computed; empty for one that was set.
    """

    value: str
    source: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Sizing:
    """The three settings, and what the site should know about them."""

    ram: Setting
    block_size: Setting
    prefetch: Setting
    notes: tuple[str, ...] = ()


def sizing(workload: str, disk: str, readers: int, memory_mib: int, given: Mapping[str, str | int]) -> Sizing:
    """Work out what the site has not set.

    Args:
        workload: `nanoaod` (some columns of many files) or `whole-file`.
        disk: `ssd` or `hdd`.
        readers: Files that are read at the same time.
        memory_mib: The host's memory in MiB; 0 where it is not known, which sets no upper limit.
        given: What the site sets: `ram` and `block_size` (sizes; empty for computed), `prefetch` (blocks;
            negative for computed).

    Raises:
        ValueError: A given size is no size.
    """
    block, blocks = _BLOCKS[workload][disk]
    kind = f"{workload} on {disk}"
    block_size = Setting(size_text(block), "computed", kind)
    if given.get("block_size"):
        block = size_bytes(str(given["block_size"]))
        block_size = Setting(str(given["block_size"]), "set")
    limit = min(RAM_MAX, max(RAM_MIN, memory_mib * MIB // 2)) if memory_mib else RAM_MAX
    notes: tuple[str, ...] = ()
    given_prefetch = int(given.get("prefetch", -1))
    if given_prefetch >= 0:
        blocks = given_prefetch
        prefetch = Setting(str(blocks), "set")
    else:
        wanted = blocks
        while blocks and not given.get("ram") and _needed(readers, blocks, block) > limit:
            blocks -= 1
        because = (
            kind if blocks == wanted else f"{kind}, {wanted} lowered to what half of the memory can hold"
        )
        prefetch = Setting(str(blocks), "computed", because)
    needed = _needed(readers, blocks, block)
    if given.get("ram"):
        ram = Setting(str(given["ram"]), "set")
        if size_bytes(ram.value) < needed // _MARGIN:
            notes = (_note(readers, block, blocks, ram.value),)
    else:
        value = min(limit, max(RAM_MIN, -(-needed // GIB) * GIB))
        # A whole number of GiB, and never more than the limit.
        value = max(RAM_MIN, value // GIB * GIB)
        because = (
            f"{_MARGIN} x {readers} readers x ({blocks} prefetched + {_READ_BLOCKS}) x {size_text(block)}"
        )
        if needed > limit:
            because += ", at most half of the memory"
            notes = (_note(readers, block, blocks, size_text(value)),)
        elif needed < RAM_MIN:
            because += ", at least the 1g that XRootD needs"
        ram = Setting(size_text(value), "computed", because)
    return Sizing(ram, block_size, prefetch, notes)


def _needed(readers: int, prefetch: int, block: int) -> int:
    return _MARGIN * readers * (prefetch + _READ_BLOCKS) * block


def _note(readers: int, block: int, prefetch: int, ram: str) -> str:
    return (
        f"{ram} of buffers is little for {readers} readers with {prefetch + _READ_BLOCKS} blocks of "
        f"{size_text(block)} each: when it is full, reads go past the cache"
    )
