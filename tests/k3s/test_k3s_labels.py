"""A node's labels and taints: what came from the inventory follows it, what others gave stays."""

from __future__ import annotations

import importlib.util
import io
import json
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any, ClassVar

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "k3s" / "files" / "labels.py"
NOTE = "casa-install/labels"
TAINTS = "casa-install/taints"


@pytest.fixture
def program() -> Any:
    spec = importlib.util.spec_from_file_location("labels", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def order(*labels: str, taints: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "node": "a1",
        "data": "/nowhere",
        "port": 6443,
        "labels": list(labels),
        "taints": list(taints),
    }


def node(
    labels: dict[str, str] | None = None,
    notes: dict[str, Any] | None = None,
    taints: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    annotations = {name: json.dumps(value) for name, value in (notes or {}).items()}
    metadata = {"resourceVersion": "7", "labels": labels or {}, "annotations": annotations}
    return {"metadata": metadata, "spec": {"taints": taints} if taints else {}}


def patched(found: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """What RFC 7396 makes of it."""
    result = dict(found)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


GPU = {"key": "gpu", "effect": "NoSchedule", "value": "yes"}
FOREIGN = {
    "key": "node.kubernetes.io/unreachable",
    "effect": "NoExecute",
    "timeAdded": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("found", "wanted", "labels", "taints"),
    [
        (node(), order("rack=7"), {"rack": "7"}, None),
        (node({"rack": "6", "own": "1"}), order("rack=7"), {"rack": "7", "own": "1"}, None),
        (node({"rack": "7", "own": "1"}, {NOTE: ["rack"]}), order(), {"own": "1"}, None),
        # One that somebody else removed meanwhile.
        (node({"own": "1"}, {NOTE: ["rack"]}), order(), {"own": "1"}, None),
        (node({"a": "1"}, {NOTE: ["a"]}), order("b=2=3"), {"b": "2=3"}, None),
        (node(taints=[FOREIGN]), order(taints=("gpu=yes:NoSchedule",)), {}, [FOREIGN, GPU]),
        (node(notes={TAINTS: ["gpu:NoSchedule"]}, taints=[GPU, FOREIGN]), order(), {}, [FOREIGN]),
        (
            node(notes={TAINTS: ["gpu:NoSchedule"]}, taints=[GPU]),
            order(taints=("gpu=no:NoSchedule", "dedicated:NoExecute")),
            {},
            [{**GPU, "value": "no"}, {"key": "dedicated", "effect": "NoExecute"}],
        ),
    ],
)
def test_what_is_wanted_is_there_and_what_others_gave_stays(
    program: Any, found: dict[str, Any], wanted: dict[str, Any], labels: dict[str, str], taints: Any
) -> None:
    patch = program.patch_of(found, wanted)
    made = patched(found, patch)
    assert made["metadata"]["labels"] == labels
    assert made["spec"].get("taints") == taints
    # The second time there is nothing to do.
    assert program.patch_of(made, wanted) == {}
    noted = json.loads(made["metadata"]["annotations"].get(NOTE, "[]"))
    assert noted == sorted(text.split("=")[0] for text in wanted["labels"])


@pytest.mark.parametrize(
    "found",
    [
        node(),
        node({"own": "1"}, taints=[FOREIGN]),
        {"metadata": {"resourceVersion": "1"}, "spec": {}},
        node(notes={NOTE: "no list"}) | {"spec": {}},
    ],
)
def test_where_nothing_is_wanted_foreign_ones_are_no_reason(program: Any, found: dict[str, Any]) -> None:
    patch = program.patch_of(found, order())
    assert "labels" not in patch.get("metadata", {})
    assert "spec" not in patch


class FakeApi:
    """A node, and what is done to it; the first patches are refused."""

    refusals: ClassVar[list[int]] = []
    found: ClassVar[dict[str, Any]] = {}

    def __init__(self, *_: str) -> None:
        pass

    def node(self, _: str, patch: dict[str, Any] | None = None) -> dict[str, Any]:
        kind = type(self)
        if patch and kind.refusals:
            code = kind.refusals.pop(0)
            kind.found = patched(kind.found, {"metadata": {"resourceVersion": "8", "labels": {"new": "1"}}})
            raise urllib.error.HTTPError("https://a", code, "no", Message(), io.BytesIO(b"why not"))
        if patch:
            assert patch["metadata"]["resourceVersion"] == kind.found["metadata"]["resourceVersion"]
            kind.found = patched(kind.found, patch)
        return kind.found


@pytest.fixture
def api(program: Any, monkeypatch: pytest.MonkeyPatch) -> type[FakeApi]:
    FakeApi.refusals, FakeApi.found = [], node({"own": "1"})
    monkeypatch.setattr(program, "Api", FakeApi)
    monkeypatch.setattr(program, "kubelet", lambda _: ("", "", "", ""))
    return FakeApi


def test_a_change_is_told_and_done_once(
    program: Any, api: type[FakeApi], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = order("rack=7", taints=("gpu=yes:NoSchedule",))
    assert program.look(wanted) == 1
    assert program.change(wanted) == 0
    assert api.found["metadata"]["labels"] == {"own": "1", "rack": "7"}
    assert "label rack=7" in capsys.readouterr().out
    assert program.look(wanted) == 0
    assert program.change(wanted) == 0
    assert capsys.readouterr().out == ""


def test_what_others_write_meanwhile_is_not_overwritten(program: Any, api: type[FakeApi]) -> None:
    api.refusals = [409, 409]
    assert program.change(order("rack=7")) == 0
    assert api.found["metadata"]["labels"] == {"own": "1", "new": "1", "rack": "7"}


def test_a_refusal_is_told_and_changes_nothing(
    program: Any, api: type[FakeApi], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.refusals = [403]
    monkeypatch.setattr(program.sys, "argv", ["labels", "change", json.dumps(order("rack=7"))])
    assert program.main() == 1
    assert capsys.readouterr().err == "the API answers 403: why not\n"
    assert "rack" not in api.found["metadata"]["labels"]


@pytest.mark.parametrize(
    ("wanted", "code"), [(order(), 0), (order("rack=7"), 1), (order(taints=("a:NoExecute",)), 1)]
)
def test_a_node_that_is_not_there_yet_owes_what_is_wanted(
    program: Any, wanted: dict[str, Any], code: int
) -> None:
    assert program.look(wanted) == code


def test_without_an_api_a_change_fails_as_a_sentence(
    program: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.sys, "argv", ["labels", "change", json.dumps(order("rack=7"))])
    assert program.main() == 1
    assert capsys.readouterr().err.startswith("the API of this server does not answer: ")
