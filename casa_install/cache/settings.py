"""What a site sets for its caches, checked before anything is changed."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from casa_install.cache.sizes import size_bytes
from casa_install.cache.sizing import RAM_MAX, RAM_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ORIGIN = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}")
_PATH = re.compile(r"/[A-Za-z0-9._@:+/-]*")
_WORD = re.compile(r"[A-Za-z0-9._-]+")
_DIRECTIVE = re.compile(r"[a-z]+\.[A-Za-z.]+")
_BLOCK_RANGE = (4096, 512 * 1024 * 1024)


def setting_findings(options: Mapping[str, Any]) -> list[str]:
    """Say what cannot work in a cache's settings.

    Args:
        options: The role's public variables without `xcache_`, with a profile's values filled in.

    Returns:
        One sentence for each finding, which names the option.
    """
    return [
        *_sizes(options),
        *_watermarks(options),
        *_origins(options),
        *_authorisation(options),
        *_words(options),
        *_extra(options),
    ]


def _sizes(options: Mapping[str, Any]) -> Iterator[str]:
    for name, least, most, why in (
        ("ram", RAM_MIN, RAM_MAX, "XRootD starts with 1g to 256g only"),
        ("block_size", *_BLOCK_RANGE, "XRootD takes 4k to 512m"),
    ):
        given = str(options[name])
        if not given:
            continue
        try:
            size = size_bytes(given)
        except ValueError as fault:
            yield f"xcache_{name}: {fault}"
            continue
        if not least <= size <= most:
            yield f"xcache_{name} is {given}: {why}"
        elif name == "block_size" and size % 4096:
            yield f"xcache_block_size is {given}: it must be a multiple of 4k"
    if options["prefetch"] > 128:
        yield f"xcache_prefetch is {options['prefetch']}: XRootD takes at most 128 blocks"
    if options["readers"] < 1:
        yield "xcache_readers must be at least 1"
    if not 60 <= options["purge_interval"] <= 3600:
        yield f"xcache_purge_interval is {options['purge_interval']}: XRootD takes 60 to 3600 seconds"


def _watermarks(options: Mapping[str, Any]) -> Iterator[str]:
    low, high = options["low_watermark"], options["high_watermark"]
    if not 0 < low < high < 1:
        yield (
            f"watermarks out of order: xcache_low_watermark is {low}, xcache_high_watermark is {high}; "
            "needed is 0 < low < high < 1, as parts of the whole file system"
        )
    files = options["file_watermarks"]
    if files and (len(files) != 3 or not 0 < files[0] < files[1] < files[2] < low):
        yield (
            f"watermarks out of order: xcache_file_watermarks is {files}; needed are base < nominal < max, "
            f"all below xcache_low_watermark ({low})"
        )


def _origins(options: Mapping[str, Any]) -> Iterator[str]:
    profile = options["profile"]
    if not options["origins"] and not options["forward"]:
        yield (
            f"xcache_origins is empty: the profile {profile} needs to know where the data is, as `host:port`"
        )
    for origin in options["origins"]:
        if not _ORIGIN.fullmatch(origin):
            yield f"xcache_origins: `{origin}` is not `host:port`"
    if not options["exports"]:
        yield (
            f"xcache_exports is empty: the profile {profile} needs the paths that it may serve, such as "
            "/store"
        )
    for path in options["exports"]:
        if not _PATH.fullmatch(path) or ".." in path.split("/") or path == "/":
            yield f"xcache_exports: `{path}` must be an absolute path below /, without `..`"
    if options["forward"] and options["permitted_origins"] == []:
        yield (
            f"xcache_permitted_origins is empty: with the profile {profile} clients name the origin, and the "
            "cache would connect to any host that they name"
        )


def _authorisation(options: Mapping[str, Any]) -> Iterator[str]:
    profile, inbound = options["profile"], options["inbound"]
    if not inbound and profile != "opendata":
        yield (
            f"xcache_inbound is empty with the profile {profile}: everybody could read what this cache may "
            "read; "
            "only the profile opendata is anonymous"
        )
    if inbound and profile == "opendata":
        yield (
            "xcache_inbound must be empty with the profile opendata: use the profile custom to authorise "
            "readers"
        )
    if "tokens" in inbound:
        if not options["issuers"]:
            yield "xcache_issuers is empty: no token would be accepted"
        if not options["audiences"]:
            yield "xcache_audiences is empty: a token for any other service would be accepted here"
        if options["http_port"] and not options["origin_tls"] and not options["outbound_clear_tokens"]:
            yield (
                "tokens over HTTPS with an origin that is reached without TLS: XRootD passes the token of an "
                "HTTPS client on to the origin, here in clear text. Set xcache_origin_tls, or "
                "xcache_http_port: 0"
            )
        if options["http_port"] and "x509" in inbound:
            yield (
                "tokens and x509 in xcache_inbound together with xcache_http_port: XRootD would take a "
                "token over "
                "HTTP without TLS on that port. Set xcache_http_port: 0, or use two caches"
            )
    for issuer in options["issuers"]:
        if not str(issuer.get("issuer", "")).startswith("https://"):
            yield f"xcache_issuers: `{issuer.get('issuer')}` must begin with https://"
        if not _WORD.fullmatch(str(issuer.get("name", ""))):
            yield f"xcache_issuers: `{issuer.get('name')}` must be a plain word, which names the issuer"
        for path in issuer.get("base_path", []) + issuer.get("restricted_path", []):
            if not _PATH.fullmatch(path):
                yield f"xcache_issuers: `{path}` must be an absolute path"
    if options["outbound"] == "token":
        missing = [
            name
            for name in ("outbound_token_endpoint", "outbound_client_id", "outbound_client_secret")
            if not options[name]
        ]
        if missing:
            names = ", ".join(f"xcache_{name}" for name in missing)
            yield f"xcache_outbound is token, but these are empty: {names}"
        if options["outbound_token_endpoint"] and not options["outbound_token_endpoint"].startswith(
            "https://"
        ):
            yield "xcache_outbound_token_endpoint must begin with https://"
        if not options["origin_tls"]:
            yield "xcache_outbound is token, which never travels in clear text: set xcache_origin_tls"


def _extra(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options["settings_extra"].items():
        if not _DIRECTIVE.fullmatch(str(name)) or "\n" in str(value) or "#" in str(value):
            yield (
                f"xcache_settings_extra: `{name}` must be one directive, such as pfc.writequeue, with its "
                "words"
            )
        # Seen with 5.8.1: XrdPfc writes the whole URL there, all other traces leave tokens out.
        if str(name) == "pfc.trace" and str(value) in ("debug", "dump", "dumpxl") and options["inbound"]:
            yield (
                f"xcache_settings_extra: pfc.trace {value} writes the tokens of readers into the log; use "
                "info"
            )


def _words(options: Mapping[str, Any]) -> Iterator[str]:
    if not _WORD.fullmatch(options["resource_name"]):
        yield f"xcache_resource_name: `{options['resource_name']}` must be a plain word"
    for audience in options["audiences"]:
        if re.search(r"[\s,]", audience):
            yield f"xcache_audiences: `{audience}` has a blank or a comma in it"
    for subnet in options["allowed_subnets"]:
        try:
            ipaddress.ip_network(subnet)
        except ValueError:
            yield f"xcache_allowed_subnets: `{subnet}` is no network such as 10.0.0.0/8 or 2001:db8::/32"
    for name in ("data", "metadata", "namespace"):
        for path in options[name] if name == "data" else [options[name]]:
            if not _PATH.fullmatch(path) or path.startswith(("/home/", "/tmp", "/var/tmp")):  # noqa: S108  # refused
                yield (
                    f"xcache_{name}: `{path}` must be an absolute path outside /home, /tmp and /var/tmp, "
                    "which XRootD's unit hides"
                )
    ports = [options["port"]] + ([options["http_port"]] if options["http_port"] else [])
    if len(set(ports)) != len(ports) or not all(0 < port < 65536 for port in ports):
        yield f"xcache_port and xcache_http_port must be two ports: {', '.join(map(str, ports))}"
