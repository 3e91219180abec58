"""What the preflight refuses, each with its message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible.template import trust_as_template

from casa_install.cache.storage import read_look, storage_findings
from casa_install.cache.versions import judge_version
from tests.xcache.conftest import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable

TLS = {"xcache_profile": "cms", "xcache_origin_tls": True, "xcache_http_port": 8443}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"xcache_ram": "512m"}, "xcache_ram is 512m: XRootD starts with 1g to 256g only"),
        ({"xcache_ram": "lots"}, "xcache_ram: `lots` is no size"),
        ({"xcache_block_size": "1k"}, "xcache_block_size is 1k: XRootD takes 4k to 512m"),
        ({"xcache_block_size": "5000"}, "must be a multiple of 4k"),
        ({"xcache_prefetch": 200}, "at most 128 blocks"),
        ({"xcache_readers": 0}, "xcache_readers must be at least 1"),
        ({"xcache_purge_interval": 10}, "XRootD takes 60 to 3600 seconds"),
        ({"xcache_low_watermark": 0.96}, "watermarks out of order: xcache_low_watermark is 0.96"),
        ({"xcache_high_watermark": 1.0}, "watermarks out of order"),
        ({"xcache_file_watermarks": [0.5, 0.4, 0.6]}, "needed are base < nominal < max"),
        ({"xcache_file_watermarks": [0.5, 0.6]}, "needed are base < nominal < max"),
        ({"xcache_profile": "custom"}, "xcache_origins is empty: the profile custom"),
        ({"xcache_origins": ["a b"]}, "`a b` is not `host:port`"),
        ({"xcache_exports": ["/store/../etc"]}, "must be an absolute path below /, without `..`"),
        ({"xcache_exports": ["/"]}, "must be an absolute path below /"),
        ({"xcache_profile": "atlas"}, "the cache would connect to any host that they name"),
        ({"xcache_inbound": []}, "only the profile opendata is anonymous"),
        (
            {"xcache_profile": "opendata", "xcache_inbound": ["tokens"]},
            "must be empty with the profile opendata",
        ),
        ({"xcache_issuers": []}, "no token would be accepted"),
        ({"xcache_audiences": []}, "a token for any other service would be accepted"),
        ({"xcache_http_port": 8443}, "passes the token of an HTTPS client on to the origin"),
        ({**TLS, "xcache_inbound": ["tokens", "x509"]}, "would take a token over HTTP without TLS"),
        ({"xcache_issuers": [{"name": "a", "issuer": "http://a"}]}, "must begin with https://"),
        ({"xcache_issuers": [{"name": "a b", "issuer": "https://a"}]}, "must be a plain word"),
        ({"xcache_outbound": "token", "xcache_origin_tls": True}, "xcache_outbound_client_secret"),
        ({"xcache_outbound": "token"}, "which never travels in clear text"),
        (
            {"xcache_outbound": "token", "xcache_outbound_token_endpoint": "http://a/token"},
            "must begin with https://",
        ),
        ({"xcache_resource_name": "a b"}, "must be a plain word"),
        ({"xcache_audiences": ["a, b"]}, "has a blank or a comma"),
        ({"xcache_allowed_subnets": ["10.0.0.1/8"]}, "is no network such as"),
        ({"xcache_data": ["/home/xcache"]}, "outside /home, /tmp and /var/tmp"),
        ({"xcache_port": 8443, **TLS}, "must be two ports"),
        ({"xcache_settings_extra": {"pfc.trace": "dump"}}, "writes the tokens of readers into the log"),
        ({"xcache_settings_extra": {"pfc.x": "1\nofs.authlib none"}}, "must be one directive"),
    ],
)
def test_what_cannot_work_is_refused(
    templar: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    host = templar("Debian", **{"xcache_profile": "cms", **options})
    assert message in "\n".join(host.template(trust_as_template("{{ __xcache_findings }}")))


@pytest.mark.parametrize(
    ("version", "refused", "warned", "checksums"),
    [
        ("5.7.2", True, False, False),
        ("1:5.7.2-1.el9", True, False, False),
        ("v5.9.0", True, False, False),
        ("5.5.3-1", True, False, False),
        ("5.8.1-1", False, True, False),
        ("v5.9.1", False, True, True),
        ("5.9.2", False, False, True),
        ("6.1.0", False, False, True),
        ("", False, False, False),
    ],
)
def test_versions(version: str, refused: bool, warned: bool, checksums: bool) -> None:
    found = judge_version(version)
    assert (bool(found.refused), bool(found.warning), found.disk_checksums) == (refused, warned, checksums)
    for text in (found.refused, found.warning):
        assert not text or "https://github.com/xrootd/xrootd/issues/" in text or "too old" in text


def changed_look(line: str) -> list[str]:
    """The good host, with one line in place of the data's."""
    return [line if "\tdata\t" in good else good for good in LOOK["stdout_lines"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("place\tdata\t/srv/xcache/data\t10\txfs\t1", "shares a device with the system's own `/`"),
        ("place\tdata\t/srv/xcache/data\t20\tnfs\t1", "is on nfs: a cache needs xfs or ext4"),
        ("place\tdata\t/srv/xcache/data\t20\tbtrfs\t1", "is on btrfs"),
    ],
)
def test_where_a_cache_must_not_be(line: str, message: str) -> None:
    assert message in "\n".join(storage_findings(read_look(changed_look(line)), shared_device=False))


def test_a_device_of_jobs_is_refused_unless_the_site_has_decided_so() -> None:
    look = read_look([*LOOK["stdout_lines"], "place\texecute\t/var/lib/condor/execute\t20\txfs\t1"])
    assert "HTCondor's jobs (/var/lib/condor/execute)" in storage_findings(look, shared_device=False)[0]
    assert storage_findings(look, shared_device=True) == []


def test_a_good_host_has_no_finding() -> None:
    look = read_look(LOOK["stdout_lines"])
    assert storage_findings(look, shared_device=False) == []
    assert (look.memory_mib, look.version, look.rotational) == (65536, "v5.9.6", False)


def test_the_table_says_where_values_came_from(templar: Callable[..., Any]) -> None:
    host = templar("Debian", xcache_profile="cms", xcache_ram="4g")
    rows = host.template(trust_as_template("{{ __xcache_sizing_rows }}"))
    assert rows == [
        ["cache1", "xcache_ram", "4g", "set", ""],
        ["cache1", "xcache_block_size", "128k", "computed", "nanoaod on ssd"],
        ["cache1", "xcache_prefetch", "0", "computed", "nanoaod on ssd"],
    ]
