"""Every file of the role for every operating system, and whom it shows which cache."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROLE = Path(__file__).resolve().parents[2] / "roles" / "xcache_client"
GRID = {"__xcache_client_directory": {"stat": {"exists": True}}}
STORES = {"Debian": "/etc/ssl/certs/ca-certificates.crt", "RedHat": "/etc/pki/tls/certs/ca-bundle.crt"}
each_family = pytest.mark.parametrize("family", STORES)


@pytest.fixture(scope="session", autouse=True)
def _plugins() -> None:
    # Tests of another role may have done it in this process.
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROLE.parents[1] / ".dev")])


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return [_trusted(item) for item in value] if isinstance(value, list) else value


def loaded(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def templar(family: str = "Debian", **options: Any) -> Templar:
    variables = {
        "site_domain": "t3.example.edu",
        "ansible_facts": {"os_family": family},
        "groups": {"xcache": ["cache1"]},
        "hostvars": {"cache1": {}},
        **loaded("defaults/main.yml"),
        **options,
        **loaded("vars/main.yml"),
        **loaded(f"vars/{family}.yml"),
    }
    return Templar(loader=DataLoader(), variables=_trusted(variables))


def rendered(name: str, family: str = "Debian", **options: Any) -> str:
    text = (ROLE / "templates" / f"{name}.j2").read_text(encoding="utf-8")
    overrides = {"trim_blocks": True, "lstrip_blocks": False}
    return str(templar(family, **options).template(trust_as_template(text), overrides=overrides))


def value(name: str, **options: Any) -> Any:
    return templar(**options).template(trust_as_template(f"{{{{ {name} }}}}"))


@each_family
def test_login_files_are_as_reviewed(family: str) -> None:
    store = STORES[family]
    assert rendered("casa-xcache.sh", family).splitlines()[1:] == [
        f'export X509_CERT_FILE="${{X509_CERT_FILE:-{store}}}"',
        'export XCACHE_HOST="${XCACHE_HOST:-cache1.t3.example.edu}"',
        'export XCACHE_PORT="${XCACHE_PORT:-1094}"',
    ]
    assert rendered("casa-xcache.csh", family, **GRID).splitlines()[1:] == [
        'if ( ! $?X509_CERT_DIR ) setenv X509_CERT_DIR "/etc/grid-security/certificates"',
        f'if ( ! $?X509_CERT_FILE ) setenv X509_CERT_FILE "{store}"',
        'if ( ! $?XCACHE_HOST ) setenv XCACHE_HOST "cache1.t3.example.edu"',
        'if ( ! $?XCACHE_PORT ) setenv XCACHE_PORT "1094"',
    ]


@each_family
def test_job_settings_are_as_reviewed_and_have_no_inline_comment(family: str) -> None:
    lines = rendered("30-casa-xcache.config", family, **GRID).splitlines()
    assert lines[0].startswith("# ")
    assert lines[1:] == [
        'STARTER_JOB_ENVIRONMENT = "X509_CERT_DIR=/etc/grid-security/certificates '
        f'X509_CERT_FILE={STORES[family]} XCACHE_HOST=cache1.t3.example.edu XCACHE_PORT=1094"'
    ]


@each_family
def test_sessions_get_the_same(family: str) -> None:
    assert rendered("xcache.env", family, **GRID).splitlines()[1:] == [
        "X509_CERT_DIR=/etc/grid-security/certificates",
        f"X509_CERT_FILE={STORES[family]}",
        "XCACHE_HOST=cache1.t3.example.edu",
        "XCACHE_PORT=1094",
    ]


def test_the_shell_takes_the_file() -> None:
    script = rendered("casa-xcache.sh") + 'echo "$XCACHE_HOST $XCACHE_PORT"\n'
    done = subprocess.run(
        ["/bin/sh", "-eu"], input=script, capture_output=True, text=True, check=True, env={"XCACHE_PORT": "7"}
    )
    assert done.stdout == "cache1.t3.example.edu 7\n"


@pytest.mark.parametrize(
    ("options", "host", "port"),
    [
        ({}, "cache1.t3.example.edu", 1094),
        ({"hostvars": {"cache1": {"xcache_port": 1095}}}, "cache1.t3.example.edu", 1095),
        (
            {"groups": {"xcache": ["c.example.org", "d"]}, "hostvars": {"c.example.org": {}}},
            "c.example.org",
            1094,
        ),
        ({"groups": {}, "hostvars": {}}, "", 1094),
        ({"groups": {}, "hostvars": {}, "xcache_client_host": "far.example.org"}, "far.example.org", 1094),
    ],
)
def test_which_cache(options: dict[str, Any], host: str, port: int) -> None:
    assert value("xcache_client_host", **options) == host
    assert int(value("xcache_client_port", **options)) == port
    assert value("__xcache_client_on", **options) is bool(host)


@pytest.mark.parametrize(
    ("options", "bundle"),
    [
        ({}, STORES["Debian"]),
        ({"trust_ca_certificate": "PEM"}, "/etc/casa-install/tls/ca.pem"),
        ({"trust_extra_cas": ["PEM"]}, "/etc/casa-install/tls/ca.pem"),
        ({"trust_ca_certificate": "PEM", "trust_system_store": True}, STORES["Debian"]),
    ],
)
def test_which_authorities(options: dict[str, Any], bundle: str) -> None:
    assert str(value("xcache_client_ca_bundle", **options)).strip() == bundle


def test_everything_in_the_list_waits_for_a_cache() -> None:
    for resource in loaded("state.yml")["resources"]:
        assert re.match(r"__xcache_client_on\b", resource["when"]), resource
