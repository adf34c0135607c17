"""A job as it is shown: to whom all of it, and to whom that it is there."""

from typing import Any

import msgspec
import pytest

from greenroom.actors.jobs.listing.lists import JobShown, JobsPage
from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.single.telling import Standing
from greenroom.actors.personal.redaction import shape_of
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.journal.consequences.jobs import JobRow
from greenroom.supervisors.admin.jobs.job_shown import BYTES_MAX, job_shown, list_shown, what_can_be_done
from tests.supervisors.admin.jobs.studio import Cut

ID = f"{7:032x}"
SECRET = "hush"
SHAPE = shape_of(Cut)


def found(state: str = "unfinished", **fields: Any) -> JobFound:
    row = JobRow(
        ID, "studio", "job.cut", b'{"film":"hush","licence":"L-1"}', 10, 20, "hush", 3, 1, 2, 0,
        Options(by="hush", trace="00-aa-bb-01").encode(),
    )  # fmt: skip
    errors = msgspec.json.encode(
        [
            {"at_ms": 1, "attempt": 1, "worker": "w1", "error": "first hush"},
            {"at_ms": 2, "attempt": 2, "worker": "w2", "error": "second hush password=x", "trace": "at hush"},
        ]
    )
    return JobFound(row, state, errors=errors, **fields)


STANDING = Standing(
    state="active",
    priority=3,
    attempt=2,
    attempts=1,
    worker="w2",
    started_ms=30,
    share=0.5,
    note="hush",
    lines=["hush"],
)


def test_an_admin_is_shown_all_but_secrets() -> None:
    shown = job_shown(found(), STANDING, SHAPE, full=True, why="it is under way", steps=["a"])
    assert shown["arguments"] == {"film": "hush", "licence": "[redacted]"}
    assert [error["error"] for error in shown["errors"]] == ["second hush password=[redacted]", "first hush"]
    assert (shown["state"], shown["worker"], shown["share"], shown["note"]) == ("active", "w2", 0.5, "hush")
    assert (shown["log"], shown["steps"], shown["why"], shown["by"]) == (["hush"], ["a"], "it is under way", "hush")
    assert (shown["trace"], shown["can"]) == ("00-aa-bb-01", ["cancel"])


@pytest.mark.parametrize("standing", [STANDING, None])
@pytest.mark.parametrize("state", ["unfinished", "failed", "completed"])
def test_a_viewer_is_shown_how_it_is_and_nothing_that_people_wrote(standing: Standing | None, state: str) -> None:
    result = msgspec.json.encode(SECRET)
    shown = job_shown(found(state, result=result), standing, SHAPE, full=False, why=SECRET, steps=[SECRET])
    assert SECRET not in str(shown)
    assert (shown["attempts_max"], shown["priority"], len(shown["errors"])) == (2, 3, 2)


@pytest.mark.parametrize(
    ("state", "can"),
    [
        ("waiting", ["edit", "cancel"]),
        ("blocked", ["edit", "cancel"]),
        ("delayed", ["retry", "edit", "cancel"]),
        ("retrying", ["retry", "edit", "cancel"]),
        ("active", ["cancel"]),
        ("cancelling", []),
        ("completed", ["retry", "drop"]),
        ("failed", ["retry", "drop"]),
        ("cancelled", ["retry", "drop"]),
    ],
)
def test_what_can_be_done_is_what_its_queue_would_do(state: str, can: list[str]) -> None:
    assert what_can_be_done(state) == can


def test_where_its_queue_does_not_answer_its_row_is_shown_and_nothing_can_be_done() -> None:
    shown = job_shown(found("active"), None, SHAPE, full=True, trouble="away")
    assert (shown["state"], shown["trouble"], shown["can"]) == ("active", "away", [])
    assert job_shown(found(), None, SHAPE, full=True)["state"] == "waiting", "its queue does not know it yet"


def test_what_is_long_or_no_json_is_bounded() -> None:
    one = found()
    one.row.arguments = b'"' + b"x" * BYTES_MAX + b'"'
    shown = job_shown(one, None, SHAPE, full=True)
    assert (shown["arguments"], shown["arguments_are_cut"]) == (None, True)
    one.row.arguments = b"\xff token=abc"
    assert job_shown(one, None, SHAPE, full=True)["arguments"] == "\ufffd token=[redacted]"


def test_a_list_is_shown_likewise() -> None:
    job = JobShown(
        id=ID, queue="studio", job="job.cut", state="failed", partition=SECRET, priority=4, attempts=2, attempts_max=2,
        lost=0, added_ms=1, due_ms=1, started_ms=2, ended_ms=3, worker="w", by=SECRET, error=f"{SECRET} token=x",
        arguments=msgspec.Raw(b'{"film":"hush","licence":"L"}'), arguments_bytes=20,
    )  # fmt: skip
    page = JobsPage(rows=[job], next="n")
    (full,) = list_shown(page, {"job.cut": SHAPE}, full=True)["jobs"]
    assert (full["error"], full["arguments"]) == (
        f"{SECRET} token=[redacted]",
        {"film": "hush", "licence": "[redacted]"},
    )
    viewer = list_shown(page, {"job.cut": SHAPE}, full=False)
    assert SECRET not in str(viewer) and viewer["next"] == "n" and viewer["jobs"][0]["state"] == "failed"


def test_of_a_class_that_is_not_known_here_no_arguments_are_shown() -> None:
    assert job_shown(found(), None, None, full=True)["arguments"] == "[redacted]"
