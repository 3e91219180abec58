"""The kubeconfig is used only where nobody else can have read or put it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from kube_server import kubeconfig, make_certificate

from casa_install.errors import CasaError
from casa_install.health.kube_config import kubeconfig_path, read_kubeconfig


@pytest.fixture
def path(tmp_path: Path) -> Path:
    own = make_certificate("admin", days=10)
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(kubeconfig("https://s1:6443", own, own))
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(CasaError) as refused:
        read_kubeconfig(path)
    return f"{refused.value.message} {refused.value.hint}"


def test_a_private_file_is_read(path: Path) -> None:
    found = read_kubeconfig(path)
    assert found is not None
    assert found.server == "https://s1:6443"
    assert found.client_ends == pytest.approx(time.time() + 10 * 86400, abs=60)


def test_what_it_holds_is_not_shown(path: Path) -> None:
    assert "client-key" not in repr(read_kubeconfig(path))


def test_no_file_is_no_error(tmp_path: Path) -> None:
    assert read_kubeconfig(tmp_path / "nothing") is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_one_that_others_can_use_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    said = _refusal(path)
    assert f"has the mode {mode:04o}, so others can use it" in said
    assert "chmod 600" in said
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_is_refused_even_to_a_private_file(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    assert "is a link" in _refusal(link)


def test_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is no file" in _refusal(tmp_path / "pipe")
    assert "is no file" in _refusal(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_somebody_elses_is_refused(path: Path) -> None:
    os.chown(path, 65534, -1)
    assert "belongs to uid 65534, not to you" in _refusal(path)


@pytest.mark.parametrize(
    "text", ["", "a: [", "apiVersion: v1", "current-context: x\ncontexts: []", "secret-of-somebody: '"]
)
def test_what_is_no_kubeconfig_is_refused_without_its_text(path: Path, text: str) -> None:
    path.write_text(text)
    said = _refusal(path)
    assert "is no kubeconfig" in said
    assert "secret" not in said


def test_clear_text_is_refused(path: Path) -> None:
    own = make_certificate("admin")
    path.write_text(kubeconfig("http://s1:6443", own, own))
    assert "not https" in _refusal(path)


def test_its_place_is_the_roles_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert kubeconfig_path("Tier 3/x") == tmp_path / "casa-install/k3s/Tier_3_x/kubeconfig"
    assert kubeconfig_path("any", "/elsewhere/k") == Path("/elsewhere/k")
