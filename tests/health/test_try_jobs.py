"""What becomes of a job that does not end: whether it shows something or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

FREE = {"Cpus": 2, "Memory": 4096}
FULL = {"Cpus": 0, "Memory": 4096}
NO_MEMORY = {"Cpus": 2, "Memory": 10}


@pytest.fixture
def try_jobs(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("try-jobs")


@pytest.mark.parametrize(
    ("ad", "result"),
    [
        (None, {"fault": "the pool has no slot of it"}),
        ({**FREE, "Draining": True}, {"busy": "it is being drained"}),
        ({**FREE, "State": "Drained"}, {"busy": "it is being drained"}),
        (
            {**FREE, "CasaHealthy": False, "CasaHealthReason": "scratch"},
            {"fault": "it takes no jobs: scratch"},
        ),
        ({**FREE, "CasaHealthy": True}, {}),
        (FULL, {}),
    ],
)
def test_a_machine_that_cannot_be_given_a_job_says_why(
    try_jobs: ModuleType, ad: dict[str, Any] | None, result: dict[str, str]
) -> None:
    assert try_jobs.unfit("ep1", {} if ad is None else {"ep1": ad}) == result


@pytest.mark.parametrize(
    ("where", "ads", "key"),
    [
        ("ep1", {"ep1": FREE, "ep2": FULL}, "fault"),
        ("ep1", {"ep1": FULL, "ep2": FREE}, "busy"),
        ("ep1", {"ep1": NO_MEMORY}, "busy"),
        ("any machine", {"ep1": FULL, "ep2": FREE}, "fault"),
        ("any machine", {"ep1": FULL, "ep2": NO_MEMORY}, "busy"),
    ],
)
def test_a_job_that_waits_beside_free_cores_is_a_fault(
    try_jobs: ModuleType, where: str, ads: dict[str, Any], key: str
) -> None:
    jobs = {where: {"idle": "the job has not started within 180 s"}}
    assert list(try_jobs.explained(jobs, ads)[where]) == [key]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("0\t5\t34\tmemory", {"fault": "the job is held: memory"}),
        ("0\t1\tundefined\tundefined", {"idle": "the job has not started within 0 s"}),
        ("0\t2\tundefined\tundefined", {"fault": "the job has not ended after 0 s"}),
        ("", {"fault": "the job printed nothing: no such program"}),
    ],
)
def test_a_job_without_an_answer_says_what_became_of_it(
    try_jobs: ModuleType,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    found: dict[str, str],
) -> None:
    monkeypatch.setattr(try_jobs, "run", lambda *_, **__: (0, f"{state}\n" if state else "", ""))
    monkeypatch.setattr(try_jobs.shutil, "chown", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    submitter = try_jobs.Submitter(tmp_path, "", "jane", 0)
    submitter.clusters["7"] = 0.0
    (tmp_path / "first-vanilla-ep1.err").write_text("no such program\n")
    assert submitter.ended("7", "first", ["ep1"]) == {"ep1": found}


def test_what_a_job_prints_is_read_line_by_line(try_jobs: ModuleType) -> None:
    text = "host=ep1\nmount=/a\nnoise\nmount=/b=c\n"
    assert try_jobs.pairs(text) == {"host": ["ep1"], "mount": ["/a", "/b=c"]}
