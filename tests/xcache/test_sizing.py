"""Buffers from what readers do: each value, its reason, and its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casa_install.cache.sizes import GIB, size_bytes, size_text
from casa_install.cache.sizing import RAM_MAX, RAM_MIN, sizing

NOTHING: dict[str, str | int] = {"ram": "", "block_size": "", "prefetch": -1}


@pytest.mark.parametrize(
    ("workload", "disk", "readers", "memory_gib", "expected"),
    [
        ("nanoaod", "ssd", 100, 64, ("1g", "128k", "0")),
        ("nanoaod", "hdd", 100, 64, ("1g", "256k", "0")),
        ("nanoaod", "ssd", 10_000, 64, ("5g", "128k", "0")),
        ("whole-file", "hdd", 100, 64, ("3g", "1m", "10")),
        ("whole-file", "ssd", 1000, 64, ("24g", "1m", "10")),
        # Half of 16 GiB: fewer blocks ahead.
        ("whole-file", "ssd", 1000, 16, ("8g", "1m", "2")),
        ("whole-file", "ssd", 100, 1, ("1g", "1m", "3")),
    ],
)
def test_values_follow_from_the_workload(
    workload: str, disk: str, readers: int, memory_gib: int, expected: tuple[str, str, str]
) -> None:
    found = sizing(workload, disk, readers, memory_gib * 1024, NOTHING)
    assert (found.ram.value, found.block_size.value, found.prefetch.value) == expected
    assert {found.ram.source, found.block_size.source, found.prefetch.source} == {"computed"}


def test_what_the_site_sets_wins_and_says_so() -> None:
    found = sizing("nanoaod", "ssd", 10, 1024, {"ram": "2g", "block_size": "1m", "prefetch": 0})
    assert [(s.value, s.source, s.because) for s in (found.ram, found.block_size, found.prefetch)] == [
        ("2g", "set", ""),
        ("1m", "set", ""),
        ("0", "set", ""),
    ]
    assert found.notes == ()


def test_the_reason_names_the_numbers() -> None:
    found = sizing("whole-file", "hdd", 100, 65536, NOTHING)
    assert found.ram.because == "2 x 100 readers x (10 prefetched + 2) x 1m"
    assert found.block_size.because == "whole-file on hdd"
    lowered = sizing("whole-file", "ssd", 1000, 16384, NOTHING)
    assert "10 lowered to what half of the memory can hold" in lowered.prefetch.because


def test_too_little_is_said() -> None:
    small = sizing("whole-file", "ssd", 5000, 2048, NOTHING)
    assert small.ram.value == "1g"
    assert "when it is full, reads go past the cache" in small.notes[0]
    given_small = sizing("whole-file", "ssd", 1000, 65536, {**NOTHING, "ram": "1g"})
    assert "1g of buffers is little for 1000 readers" in given_small.notes[0]


@given(
    st.sampled_from(["nanoaod", "whole-file"]),
    st.sampled_from(["ssd", "hdd"]),
    st.integers(1, 100_000),
    st.integers(0, 4 << 20),
)
def test_xrootd_would_start_with_it_and_the_host_has_it(
    workload: str, disk: str, readers: int, memory_mib: int
) -> None:
    found = sizing(workload, disk, readers, memory_mib, NOTHING)
    ram = size_bytes(found.ram.value)
    assert RAM_MIN <= ram <= RAM_MAX
    assert ram % GIB == 0
    assert 4096 <= size_bytes(found.block_size.value) <= 512 << 20
    assert 0 <= int(found.prefetch.value) <= 128
    if memory_mib:
        assert ram <= max(RAM_MIN, memory_mib * 1024 * 1024 // 2)


@given(st.integers(1, 1 << 50))
def test_sizes_are_read_as_written(size: int) -> None:
    assert size_bytes(size_text(size)) == size


@pytest.mark.parametrize("text", ["", "1 g", "g", "1.5g", "-1k", "1x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size_bytes(text)
