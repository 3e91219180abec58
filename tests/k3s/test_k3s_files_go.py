"""What k3s made goes from a host; what is mounted, kept or somebody else's does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from programs import load

if TYPE_CHECKING:
    from pathlib import Path

files = load("clean_files.py")
settings = load("kernel_settings.py")


def tree(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


@pytest.fixture
def host(tmp_path) -> Path:
    for name in ("k3s/agent/images", "k3s/storage/pvc-1", "k3s/disk", "k3s/server/db", "bin", "cni/results"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "k3s/agent/images/a.tar",
        "k3s/storage/pvc-1/data",
        "k3s/disk/theirs",
        "bin/k3s",
        "bin/crictl",
    ):
        (tmp_path / name).write_text("x")
    for name in ("cni/results/cbr0-1-eth0", "cni/results/podman-1-eth0"):
        (tmp_path / name).write_text("x")
    (tmp_path / "k3s/agent/out").symlink_to(tmp_path / "bin")
    (tmp_path / "bin/kubectl").symlink_to("k3s")
    (tmp_path / "bin/ctr").symlink_to("/usr/bin/ctr")
    return tmp_path


def removal(
    host: Path, *, keep: tuple[str, ...] = (), mounts: tuple[str, ...] = (), check: bool = False
) -> Any:
    return files.Removal({str(host / name) for name in mounts}, {str(host / name) for name in keep}, check)


def test_directory_goes_whole_and_what_a_link_leads_to_stays(host):
    one = removal(host)
    one.root(str(host / "k3s"))
    assert not (host / "k3s").exists()
    assert (host / "bin/k3s").exists()
    assert one.done == [f"remove {host}/k3s"]
    one.root(str(host / "k3s"))
    assert one.done == [f"remove {host}/k3s"]


def test_data_that_is_kept_stays_and_is_named_and_an_empty_one_is_not(host):
    one = removal(host, keep=("k3s/storage",))
    one.root(str(host / "k3s"))
    assert tree(host / "k3s") == {"storage", "storage/pvc-1", "storage/pvc-1/data"}
    assert one.notes == [f"{host}/k3s/storage is kept"]
    for path in ("k3s/storage/pvc-1/data", "k3s/storage/pvc-1"):
        (host / path).unlink() if (host / path).is_file() else (host / path).rmdir()
    removal(host, keep=("k3s/storage",)).root(str(host / "k3s"))
    assert not (host / "k3s").exists()


def test_disk_below_is_left_as_it_is_and_one_that_is_the_directory_is_emptied(host):
    one = removal(host, mounts=("k3s", "k3s/disk"))
    one.root(str(host / "k3s"))
    assert tree(host / "k3s") == {"disk", "disk/theirs"}
    assert one.notes == [f"{host}/k3s/disk is a file system of its own and is left as it is"]
    assert one.done == [f"empty {host}/k3s, which is a file system of its own"]
    one.empty(str(host / "k3s/disk"))
    assert (host / "k3s/disk").exists()


def test_check_tells_the_same_and_changes_nothing(host):
    before = tree(host)
    told = removal(host, keep=("k3s/storage",), mounts=("k3s/disk",), check=True)
    told.root(str(host / "k3s"))
    told.link(str(host / "bin/kubectl"), str(host / "bin/k3s"))
    assert tree(host) == before
    done = removal(host, keep=("k3s/storage",), mounts=("k3s/disk",))
    done.root(str(host / "k3s"))
    done.link(str(host / "bin/kubectl"), str(host / "bin/k3s"))
    assert (told.done, told.notes) == (done.done, done.notes)
    assert tree(host) < before


def test_only_links_to_k3s_go(host):
    one = removal(host)
    for name in ("kubectl", "ctr", "crictl"):
        one.link(str(host / "bin" / name), str(host / "bin/k3s"))
    assert tree(host / "bin") == {"k3s", "ctr", "crictl"}


def test_results_of_other_pod_networks_stay(host, run_program):
    order = {
        "remove": [str(host / "cni/results/cbr0-*")],
        "keep": [],
        "empty": [str(host / "cni/results"), str(host / "cni")],
        "links": {},
        "check": False,
    }
    answer = run_program("clean_files.py", order)
    assert tree(host / "cni") == {"results", "results/podman-1-eth0"}
    assert answer["changed"]
    (host / "cni/results/podman-1-eth0").unlink()
    answer = run_program("clean_files.py", order)
    assert answer["done"] == [
        f"remove {host}/cni/{name}, which is empty".replace("/,", ",") for name in ("results", "")
    ]
    assert run_program("clean_files.py", order)["changed"] is False


@pytest.fixture
def kernel(tmp_path, monkeypatch) -> Path:
    """Files in the place of /proc/sys; nothing is configured and nobody forwards."""
    for key, value in {
        "kernel.panic": "0",
        "net.ipv4.conf.all.forwarding": "0",
        "vm.panic_on_oom": "0",
    }.items():
        (tmp_path / key).write_text(value + "\n")
    monkeypatch.setattr(settings, "path_of", lambda key: str(tmp_path / key))
    monkeypatch.setattr(settings, "configured", dict)
    monkeypatch.setattr(settings, "forwarders", lambda: False)
    return tmp_path


def test_kernel_settings_are_put_back_as_they_were(kernel):
    note = kernel / "note/k3s-kernel.json"
    assert settings.record(note)["changed"]
    for key in ("kernel.panic", "net.ipv4.conf.all.forwarding"):
        (kernel / key).write_text("1\n")
    # What is remembered is from before the first start, not from a later one.
    assert not settings.record(note)["changed"]
    before = tree(kernel)
    told = settings.restore(note, check=True)
    assert told["done"] == ["put back net.ipv4.conf.all.forwarding = 0", "put back kernel.panic = 0"]
    assert (tree(kernel), (kernel / "kernel.panic").read_text()) == (before, "1\n")
    settings.restore(note, check=False)
    assert (
        (kernel / "kernel.panic").read_text()
        == (kernel / "net.ipv4.conf.all.forwarding").read_text()
        == "0\n"
    )
    assert not note.exists()
    assert settings.restore(note, check=False) == {"changed": False, "done": [], "notes": []}


def test_setting_that_the_host_configures_is_its_own(kernel, monkeypatch):
    note = kernel / "note.json"
    settings.record(note)
    (kernel / "kernel.panic").write_text("10\n")
    monkeypatch.setattr(settings, "configured", lambda: {"kernel.panic": "10"})
    assert settings.restore(note, check=False)["done"] == [f"remove {note}"]
    assert (kernel / "kernel.panic").read_text() == "10\n"


def test_forwarding_stays_while_others_forward_and_that_is_said(kernel, monkeypatch):
    note = kernel / "note.json"
    settings.record(note)
    (kernel / "net.ipv4.conf.all.forwarding").write_text("1\n")
    monkeypatch.setattr(settings, "forwarders", lambda: True)
    answer = settings.restore(note, check=False)
    assert (kernel / "net.ipv4.conf.all.forwarding").read_text() == "1\n"
    assert "rules of others forward packets here" in answer["notes"][0]


def test_damaged_note_puts_nothing_back(kernel):
    note = kernel / "note.json"
    note.write_text("{")
    assert settings.restore(note, check=False)["changed"] is False
    note.write_text(json.dumps({"kernel.core_pattern": "|/tmp/x"}))
    (kernel / "kernel.core_pattern").write_text("core\n")
    settings.restore(note, check=False)
    assert (kernel / "kernel.core_pattern").read_text() == "core\n"


def test_files_of_sysctl_are_read_in_their_order(tmp_path, monkeypatch):
    for name, text in {
        "a/10.conf": "kernel.panic = 1\n# vm.panic_on_oom = 1\n",
        "b/20.conf": "kernel/panic=2\n",
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(settings, "PLACES", (str(tmp_path / "b"), str(tmp_path / "a")))
    found = settings.configured()
    assert found["kernel.panic"] == "2"
    assert "vm.panic_on_oom" not in found
