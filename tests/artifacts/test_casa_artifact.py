"""The action casa_artifact in a real play, in an empty network where that can be made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from release_server import sha256

ROOT = Path(__file__).resolve().parents[2]
VERSION = "v1.21.3+k3s1"
FILES = {"k3s": b"binary", "k3s-airgap-images-amd64.tar": b"images"}
ENV = "env-2026.11-aa-debian13-python3.13-x86_64.tar.gz"
UNSHARE = ["unshare", "--net", "--map-root-user"]

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Have the release
      casa.install.casa_artifact: "{{ asked }}"
      register: done
    - name: Write down what came of it
      ansible.builtin.copy:
        content: "{{ came | to_json }}"
        dest: "{{ playbook_dir }}/out.json"
        mode: "0600"
      check_mode: false
      vars:
        key: k3s/v1.21.3+k3s1/k3s
        came:
          done: "{{ done }}"
          path: "{{ key | casa.install.artifact_path }}"
          digest: "{{ key | casa.install.artifact_digest(site_artifact_digests | default({})) }}"
          version: "{{ 'k3s' | casa.install.artifact_version }}"
"""


class Play:
    """A play on this computer, with a cache and a mirror in a temporary directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = path / "cache"
        self.mirror = path / "mirror"
        folder = self.mirror / "k3s" / VERSION
        folder.mkdir(parents=True)
        for name, data in FILES.items():
            (folder / name).write_bytes(data)
        lines = [f"{sha256(data)}  {name}\n" for name, data in FILES.items()]
        (folder / "sha256sum-amd64.txt").write_text("".join(lines))
        (path / "play.yml").write_text(PLAY)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "CASA_ARTIFACTS": str(self.cache),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".dev"),
            "ANSIBLE_HOME": str(path / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def run(
        self,
        asked: dict[str, object],
        site: dict[str, object],
        *arguments: str,
        wrapper: list[str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        (self.path / "out.json").unlink(missing_ok=True)
        program = str(Path(sys.executable).parent / "ansible-playbook")
        given = json.dumps({"asked": asked, "ansible_python_interpreter": sys.executable, **site})
        argv = [*(wrapper or []), program, "-i", "localhost,", "-c", "local", "play.yml", "-e", given]
        return subprocess.run(
            [*argv, *arguments],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def outcome(self) -> dict:
        return json.loads((self.path / "out.json").read_text())

    def casa(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "casa_install", *words],
            cwd=self.path,
            env={**self.environment, "XDG_STATE_HOME": str(self.path / "state"), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            check=False,
        )


RELEASE = {"component": "k3s", "version": VERSION, "arch": "x86_64", "files": ["binary", "images"]}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_a_role_gets_paths_and_digests_and_no_change(play: Play) -> None:
    done = play.run(RELEASE, {"site_artifact_mirror": f"file://{play.mirror}"})
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout  # out.json
    outcome = play.outcome()
    assert outcome["done"]["changed"] is False
    files = outcome["done"]["files"]
    assert files["binary"] == {
        "name": "k3s",
        "path": f"{play.cache}/k3s/{VERSION}/k3s",
        "sha256": sha256(FILES["k3s"]),
        "size": 6,
        "source": "mirror",
        "present": True,
        "would": "",
    }
    assert files["images"]["name"] == "k3s-airgap-images-amd64.tar"
    assert outcome["path"] == files["binary"]["path"]
    assert outcome["version"].startswith("v1.")


def test_a_dry_run_says_what_would_be_fetched(play: Play) -> None:
    done = play.run(RELEASE, {"site_artifact_mirror": f"file://{play.mirror}"}, "--check")
    assert done.returncode == 0, done.stdout
    outcome = play.outcome()
    assert outcome["done"]["files"]["binary"]["present"] is False
    assert outcome["done"]["files"]["binary"]["would"].startswith(f"download file://{play.mirror}/k3s/")
    assert (outcome["path"], outcome["digest"]) == ("", "")
    assert not play.cache.exists()


def test_a_refusal_says_what_is_wrong_with_the_sites_variables(play: Play) -> None:
    site = {
        "site_artifact_bundle": "/no/such.tar",
        "site_artifact_mirror": "ftp://me:canary-5@mirror.example.org",
        "site_artifact_digests": {"k3s": "abc"},
    }
    done = play.run(RELEASE, site)
    assert done.returncode == 2
    assert "`site_artifact_bundle`: there is no file /no/such.tar" in done.stdout
    assert "`ftp://mirror.example.org` is no URL" in done.stdout
    assert "`abc`, for k3s, is no SHA-256" in done.stdout
    assert "canary-5" not in done.stdout
    assert not play.cache.exists()


def test_a_mirrors_password_is_in_no_output(play: Play) -> None:
    url = "http://reader:canary-6@127.0.0.1:9/casa"
    done = play.run({**RELEASE, "files": ["checksums"]}, {"site_artifact_mirror": url}, "--check")
    assert done.returncode == 0, done.stdout
    assert "http://127.0.0.1:9/casa/k3s" in (play.path / "out.json").read_text()
    assert "canary-6" not in done.stdout + (play.path / "out.json").read_text()


def test_a_site_is_bundled_and_installed_in_an_empty_network(play: Play, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n"
        f"  vars: {{site_name: T3, k3s_version: {VERSION}, site_architectures: [amd64],\n"
        f'         site_artifact_mirror: "file://{play.mirror}", analysis_env_version: 2026.11-aa}}\n'
        "  children: {k3s_server: {hosts: {h1: }}, notebook: {hosts: {h1: }}}\n"
    )
    policy = play.mirror / "k3s-selinux" / "v1.6.stable.1"
    policy.mkdir(parents=True)
    rpm = "k3s-selinux-1.6-1.el9.noarch.rpm"
    (policy / rpm).write_bytes(b"rpm")
    (policy / "sha256sum-centos9-noarch.txt").write_text(f"{sha256(b'rpm')}  {rpm}\n")
    play.cache.mkdir(mode=0o700)
    (play.cache / ENV).write_bytes(b"environment")
    (play.cache / f"{ENV}.sha256").write_text(sha256(b"environment"))

    made = play.casa("bundle", "create", "-i", "hosts.yml", "-o", "casa.tar", "--json")
    assert made.returncode == 0, made.stderr
    manifest = json.loads(made.stdout)
    assert manifest["missing"] == []
    assert len(manifest["files"]) == 7
    assert "site_artifact_bundle: /path/to/casa.tar" in made.stderr

    shown = play.casa("bundle", "show", "casa.tar")
    assert shown.stdout.splitlines()[0] == "casa.tar: 7 files, 0.0 MiB, for T3"
    assert play.casa("bundle", "verify", "casa.tar").stdout == "casa.tar is whole: 7 files\n"

    play.cache = tmp_path / "elsewhere"
    play.environment["CASA_ARTIFACTS"] = str(play.cache)
    (tmp_path / "mirror").rename(tmp_path / "gone")
    site = {
        "site_artifact_bundle": f"{tmp_path}/casa.tar",
        "site_artifact_mirror": "https://mirror.example.org",
    }
    wrapper = (
        UNSHARE
        if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
        else []
    )
    done = play.run(RELEASE, site, wrapper=wrapper)
    assert done.returncode == 0, done.stdout
    assert {file["source"] for file in play.outcome()["done"]["files"].values()} == {"bundle"}
    done = play.run({"archives": [ENV, f"{ENV}.sha256", "hub-unknown.tar.gz"]}, site, wrapper=wrapper)
    assert done.returncode == 0, done.stdout
    assert play.outcome()["done"]["unpacked"] == [ENV, f"{ENV}.sha256"]
    assert (play.cache / ENV).read_bytes() == b"environment"


def test_a_damaged_bundle_ends_with_1(play: Play, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        f"all:\n  vars: {{k3s_version: {VERSION}, site_architectures: [amd64],"
        f' site_artifact_mirror: "file://{play.mirror}"}}\n  children: {{k3s_agent: {{hosts: {{h1: }}}}}}\n'
    )
    made = play.casa("bundle", "create", "-i", "hosts.yml", "-o", "casa.tar")
    assert made.returncode == 0, made.stderr
    assert "not in the bundle: k3s-selinux/v1.6.stable.1: was nowhere to be had" in made.stderr
    data = (tmp_path / "casa.tar").read_bytes()
    (tmp_path / "casa.tar").write_bytes(data.replace(b"images" + b"\0" * 8, b"imagez" + b"\0" * 8))
    told = play.casa("bundle", "verify", "casa.tar", "--json")
    assert told.returncode == 1
    expected = f"SHA-256 is {sha256(b'imagez')}, expected {sha256(b'images')}"
    name = f"k3s/{VERSION}/k3s-airgap-images-amd64.tar"
    assert json.loads(told.stdout)["faults"] == [f"{name}: {expected}"]
    assert "is not what its manifest says" in play.casa("bundle", "verify", "casa.tar").stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("all: {hosts: {h1: }}\n", "fetch nothing that a bundle could hold"),
        ("all: [\n", "mistake"),
    ],
)
def test_a_bundle_of_nothing_is_refused(play: Play, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "hosts.yml").write_text(text)
    made = play.casa("bundle", "create", "-i", "hosts.yml")
    assert made.returncode == 2
    assert message in made.stderr
    assert not list(tmp_path.glob("*.tar"))
