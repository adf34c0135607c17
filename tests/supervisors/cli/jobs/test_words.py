"""A job and a queue in words."""

from typing import Any

import pytest

from greenroom.supervisors.cli.jobs.words import job_words, queue_words, waits_for

DAY_MS = 86_400_000
NOW_MS = 10 * DAY_MS

JOB: dict[str, Any] = {
    "id": "a" * 32, "queue": "mail", "job": "job.welcome", "arguments": {"to": "Jörg"}, "state": "retrying",
    "attempt": 0, "attempts": 1, "attempts_max": 5, "lost": 0, "priority": 4, "partition": "acme",
    "added_ms": NOW_MS - 60_000, "due_ms": NOW_MS + 30_000, "started_ms": None, "ended_ms": None, "worker": "",
    "by": "ann", "share": None, "note": "", "log": [], "result": None, "reason": "",
    "errors": [{"at_ms": NOW_MS - 5_000, "attempt": 1, "worker": "w", "error": "refused", "trace": "line 1\nline 2"}],
}  # fmt: skip


def test_a_job_that_waits_says_why_since_when_and_what_has_failed() -> None:
    lines = job_words(JOB, "tried again, attempt 2, 1970-01-11 00:00:30 UTC", NOW_MS)
    assert lines == [
        ("job", "job.welcome of the queue mail, key acme"),
        ("state", "retrying"),
        ("waits", "tried again, attempt 2, 1970-01-11 00:00:30 UTC"),
        ("added", "1970-01-10 23:59:00, 60 s ago, for ann"),
        ("due", "1970-01-11 00:00:30, in 30 s"),
        ("attempts", "1 of 5 have failed"),
        ("arguments", '{"to": "Jörg"}'),
        ("error", "1970-01-10 23:59:55 attempt 1 by w: refused"),
        ("", "line 1"),
        ("", "line 2"),
    ]


def test_a_job_under_way_says_by_whom_and_how_far_it_is() -> None:
    now = {"state": "active", "attempt": 2, "worker": "w", "started_ms": NOW_MS, "share": 0.25, "note": "encoding"}
    lines = job_words({**JOB, **now, "lost": 1, "log": ["begun", "half"], "errors": []}, "", NOW_MS)
    assert ("attempts", "the 2. is under way, 1 of 5 have failed, 1 workers ended with it in hand") in lines
    assert ("worker", "w since 1970-01-11 00:00:00") in lines and ("progress", "25% encoding") in lines
    assert lines[-2:] == [("log", "begun"), ("", "half")]


def test_a_job_that_has_ended_says_when_and_with_what() -> None:
    lines = job_words(
        {**JOB, "state": "completed", "ended_ms": NOW_MS - DAY_MS * 3, "result": 7, "errors": []}, "", NOW_MS
    )
    assert ("ended", "1970-01-08 00:00:00, 3 d ago") in lines and ("result", "7") in lines
    assert "due" not in dict(lines) and "waits" not in dict(lines)


QUEUE: dict[str, Any] = {
    "unfinished": 7, "waiting": 2, "delayed": 1, "retrying": 1, "active": 3, "oldest_ms": 4_000, "paused": False,
    "paused_until_ms": None, "paused_reason": "", "workers": 1, "workers_waiting": 0, "holding": {"w": 3},
    "limits": {"concurrency": 3, "rate": {"n": 300, "per_s": 60.0}, "weights": {"acme": 3}, "per_key": None},
}  # fmt: skip


def test_a_queue_says_how_it_stands() -> None:
    lines = queue_words(QUEUE, NOW_MS)
    assert ("oldest", "has waited for 4.0 s") in lines
    assert ("limits", "concurrency 3, rate 300 in 60 s, weights acme: 3") in lines
    assert lines[-2:] == [("workers", "1 have jobs, 0 wait for some"), ("", "w: 3")]
    assert ("limits", "none") in queue_words({**QUEUE, "limits": {}, "waiting": 0}, NOW_MS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"paused": True}, "it is paused, until somebody resumes it"),
        ({"paused": True, "paused_until_ms": 0, "paused_reason": "429"}, "it is paused until 1970-01-01 00:00:00: 429"),
        ({"waiting": 0}, "nothing waits"),
        ({}, "its limit: 3 of 3 are under way"),
        ({"active": 0, "workers": 0}, "nobody works on it"),
        ({"active": 0, "workers": 0, "workers_waiting": 1}, "workers wait"),
        ({"active": 2}, "no worker is free"),
    ],
)
def test_a_queue_says_what_holds_its_jobs_up(change: dict[str, Any], why: str) -> None:
    assert waits_for({**QUEUE, **change}).startswith(why)
