"""From a site's answers and its kubeconfig to results, without a cluster."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from kube_server import kubeconfig, make_certificate

from casa_install.health.checks import Verdict
from casa_install.health.kube_checks import CHECKS
from casa_install.health.kube_verify import verify_cluster

ANSWERS = Path(__file__).with_name("answers")
KINDS = {"s1": "server", "a1": "agent"}


@pytest.fixture
def answers() -> dict[str, dict[str, Any]]:
    return {
        host: json.loads((ANSWERS / f"status-k3s-{host}.json").read_text())
        | json.loads((ANSWERS / f"verify-k3s-{host}.json").read_text())
        for host in KINDS
    }


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "casa-install/k3s/K3s_proof/kubeconfig"
    path.parent.mkdir(parents=True)
    return path


def _write(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = make_certificate("admin")
    path.touch(mode=0o600)
    path.write_text(kubeconfig(f"https://127.0.0.1:{port}", own, own))


def test_without_a_kubeconfig_only_hosts_are_judged(answers: dict[str, dict[str, Any]], path: Path) -> None:
    results = verify_cluster(answers, KINDS)
    first = results[0]
    assert (first.check.name, first.verdict) == ("the cluster's API answers", Verdict.NOT_VERIFIED)
    assert str(path) in first.found
    assert "apply the playbook from here" in first.found
    passed = {each.check.name for each in results if each.verdict is Verdict.PASSED}
    assert passed == {"kubelets refuse strangers", "manifests are deployed by themselves"}
    assert not [each for each in results if each.verdict is Verdict.FAILED]


def test_results_come_in_the_checks_order(answers: dict[str, dict[str, Any]], path: Path) -> None:
    assert not path.exists()
    order = [check.name for check in CHECKS]
    shown = [order.index(each.check.name) for each in verify_cluster(answers, KINDS)]
    assert shown == sorted(shown)
    assert set(shown) == set(range(len(order)))


def test_a_kubeconfig_that_others_can_use_is_a_failure(
    answers: dict[str, dict[str, Any]], path: Path
) -> None:
    _write(path)
    path.chmod(0o640)
    first = verify_cluster(answers, KINDS)[0]
    assert first.verdict is Verdict.FAILED
    assert "has the mode 0640, so others can use it" in first.found
    assert "chmod 600" in first.found


def test_an_api_that_is_away_is_a_failure(answers: dict[str, dict[str, Any]], path: Path) -> None:
    _write(path)
    failed = [each for each in verify_cluster(answers, KINDS) if each.verdict is Verdict.FAILED]
    assert [each.check.name for each in failed] == ["the cluster's API answers"]
    assert "nothing listens on the port" in failed[0].found


def test_the_site_names_another_file(answers: dict[str, dict[str, Any]], path: Path, tmp_path: Path) -> None:
    _write(path)
    for host in KINDS:
        answers[host]["k3s"]["wanted"]["kubeconfig"] = str(tmp_path / "elsewhere")
    assert str(tmp_path / "elsewhere") in verify_cluster(answers, KINDS)[0].found


def test_hosts_that_could_not_be_asked(path: Path) -> None:
    assert not path.exists()
    results = verify_cluster({}, KINDS)
    assert {each.verdict for each in results} == {Verdict.NOT_VERIFIED}
    assert results[0].found == "no k3s host could be asked what the inventory says"
