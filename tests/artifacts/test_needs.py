"""What an inventory's roles fetch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from casa_install.artifacts.bundle import Member, Missing
from casa_install.artifacts.environments import cached_archives, environment_version
from casa_install.artifacts.needs import Need, site_needs
from casa_install.artifacts.pins import component, components
from casa_install.digests import sha256_of
from casa_install.errors import CasaError

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "analysis_env"
K3S = ("checksums", "binary", "images")


def inventory(tmp_path: Path, variables: str, *groups: str) -> Path:
    path = tmp_path / "hosts.yml"
    children = "\n".join(f"    {group}: {{hosts: {{h1: }}}}" for group in groups)
    path.write_text(f"all:\n  vars: {{site_name: T3, {variables}}}\n  children:\n{children}\n")
    return path


def test_a_cluster_needs_the_pinned_release_for_all_processors(tmp_path: Path) -> None:
    found, needs = site_needs([inventory(tmp_path, "", "k3s_agent")])
    assert found.findings == []
    pinned, policy = component("k3s").version, component("k3s-selinux").version
    assert needs.releases == (
        Need("k3s", pinned, "amd64", K3S),
        Need("k3s", pinned, "arm64", K3S),
        Need("k3s-selinux", policy, "el9", ("checksums", "policy"), "hosts of EL 9 with SELinux"),
    )
    assert (needs.site, needs.environment) == ("T3", False)


def test_a_site_says_version_and_processors(tmp_path: Path) -> None:
    path = inventory(tmp_path, "k3s_version: v1.35.8+k3s1, site_architectures: [arm64]", "k3s_server")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "h1.yml").write_text("k3s_version: v1.34.9+k3s1\n")
    _, needs = site_needs([path])
    releases = [need for need in needs.releases if need.component == "k3s"]
    assert releases == [Need("k3s", version, "arm64", K3S) for version in ("v1.35.8+k3s1", "v1.34.9+k3s1")]


def test_a_site_without_a_cluster_fetches_no_release(tmp_path: Path) -> None:
    _, needs = site_needs([inventory(tmp_path, "k3s_version: v1.35.8+k3s1", "notebook")])
    assert needs.releases == ()
    assert needs.environment


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ('k3s_version: "{{ x }}"', "`k3s_version` is a template or encrypted, so what to fetch is not known"),
        ("k3s_version: 1.35", "`1.35` is no version of k3s"),
    ],
)
def test_a_version_that_cannot_be_known_is_refused(tmp_path: Path, variables: str, message: str) -> None:
    path = inventory(tmp_path, variables, "k3s_server")
    with pytest.raises(CasaError, match=message) as caught:
        site_needs([path])
    assert caught.value.exit_code == 2


def test_what_is_not_known_is_told(tmp_path: Path) -> None:
    path = inventory(tmp_path, 'site_artifact_mirror: "{{ lookup(1) }}"', "k3s_server")
    _, needs = site_needs([path])
    assert len(needs.notes) == 1
    assert needs.notes[0].endswith("hosts.yml:2:25: `site_artifact_mirror` is one that only Ansible knows, "
                                   "and is not considered")  # fmt: skip
    assert needs.variables["site_artifact_mirror"] is None


@pytest.mark.parametrize("extra", [[], ["uproot==5.6.0", "awkward==2.8.1"]])
def test_the_environments_version_is_the_one_that_the_role_makes(tmp_path: Path, extra: list[str]) -> None:
    given = {"role_path": str(ROLE), "analysis_env_extra_packages": extra}
    files = [arg for name in ("defaults", "vars") for arg in ("-e", f"@{ROLE}/{name}/main.yml")]
    program = str(Path(sys.executable).parent / "ansible")
    module = ["-m", "ansible.builtin.debug", "-a", "var=__analysis_env_made"]
    done = subprocess.run(
        [program, "localhost", "-c", "local", *files, "-e", json.dumps(given), *module],
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    version = environment_version({"analysis_env_extra_packages": extra})
    assert f'"__analysis_env_made": "{version}"' in done.stdout, done.stdout + done.stderr


def test_a_site_can_name_the_environments_version_itself() -> None:
    assert environment_version({"analysis_env_version": "2026.07-mine"}) == "2026.07-mine"
    with pytest.raises(OSError, match="No such file"):
        environment_version({"analysis_env_lock": "/no/such/lock.txt"})


def archive(cache: Path, name: str, *, note: str | None = None) -> Path:
    path = cache / name
    path.write_bytes(name.encode())
    path.with_name(f"{name}.sha256").write_text(sha256_of(path) if note is None else note)
    return path


def test_archives_of_the_version_go_into_a_bundle_and_no_others(tmp_path: Path) -> None:
    ours = archive(tmp_path, "env-2026.11-aa-debian13-python3.13-x86_64.tar.gz")
    archive(tmp_path, "env-2026.11-aa-more-debian13-python3.13-x86_64.tar.gz")
    archive(tmp_path, "env-2026.11-bb-debian13-python3.13-x86_64.tar.gz")
    archive(tmp_path, "env-2026.11-aa-redhat9-python3.12-x86_64.tar.gz", note="0" * 64)
    found, missing = cached_archives(tmp_path, "2026.11-aa")
    digest = sha256_of(ours)
    assert found[0][0] == Member(ours.name, digest, ours.stat().st_size, "analysis_env", "2026.11-aa")
    assert [path.name for _, path in found] == [ours.name, f"{ours.name}.sha256"]
    assert missing == [
        Missing(
            "env-2026.11-aa-redhat9-python3.12-x86_64.tar.gz",
            "was damaged in the cache; the next apply builds it anew",
        )
    ]


def test_a_version_that_was_never_built_here_is_missing(tmp_path: Path) -> None:
    found, missing = cached_archives(tmp_path / "none", "2026.11-aa")
    assert found == []
    assert [one.path for one in missing] == ["env-2026.11-aa-*.tar.gz"]


def test_the_pins_are_whole() -> None:
    for name in components():
        pinned = component(name)
        pinned.require_version(pinned.version)
        pinned.require_version(pinned.example)
        assert pinned.channel == "stable"
        assert "{version}" in pinned.url
        assert pinned.url.startswith("https://")
        known = {
            one for variant in pinned.variants.values() for names in variant.files.values() for one in names
        }
        for version, digests in pinned.digests.items():
            pinned.require_version(version)
            assert digests.keys() <= known
            assert all(len(digest) == 64 and int(digest, 16) for digest in digests.values())
