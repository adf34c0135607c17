"""Filters, as decisions: which states a filter can mean, when its jobs were added, and how words are looked for."""

import pytest

from greenroom.store.jobs.filter import (
    ENDED,
    SEARCHED_MAX,
    UNFINISHED,
    JobFilter,
    fits,
    spellings,
    state_of,
    words_of,
)
from greenroom.store.journal.consequences.jobs import FREED, JobRow

A = f"{1_000:012x}" + "7" * 20


def row(**fields: object) -> JobRow:
    given = {"id": A, "queue": "q", "job": "job.x", "arguments": b"{}", "added_ms": 1_000, "due_ms": 1_000, **fields}
    return JobRow(**given)  # type: ignore[arg-type]


def test_what_has_a_time_of_its_end_has_ended() -> None:
    assert JobFilter().unfinished == UNFINISHED and JobFilter().ended == ENDED
    assert JobFilter(states=("failed", "waiting")).unfinished == ("waiting",)
    assert JobFilter(ended_since_ms=1).unfinished == () and JobFilter(ended_until_ms=1).unfinished == ()
    assert JobFilter(states=("waiting",)).ended == ()


def test_when_a_job_was_added_is_told_by_its_id() -> None:
    def means(**fields: int) -> bool:
        return fits(JobFilter(**fields), row(), "waiting", None, b"")  # type: ignore[arg-type]

    assert means(added_since_ms=1_000) and not means(added_since_ms=1_001)
    assert means(added_until_ms=1_001) and not means(added_until_ms=1_000)
    assert means(added_until_ms=1 << 53), "beyond all that ids can say is nothing"


@pytest.mark.parametrize(
    ("fields", "taken", "state"),
    [
        ({}, False, "waiting"),
        ({"due_ms": 3_000}, False, "delayed"),
        ({"due_ms": 3_000, "attempts": 1}, False, "retrying"),
        ({"attempts": 1}, False, "waiting"),
        ({"due_ms": 3_000}, True, "active"),
        ({"cancel": ""}, True, "cancelling"),
        ({"cancel": "enough"}, False, "waiting"),
        ({"options": b'{"waits":{}}', "due_ms": 3_000}, False, "blocked"),
        ({"options": b'{"waits":{}}', "let_go": FREED}, False, "waiting"),
        ({"options": b'{"by":"\\"waits\\":"}'}, False, "waiting"),
    ],
)
def test_states_are_as_people_say_them(fields: dict[str, object], taken: bool, state: str) -> None:
    assert state_of(row(**fields), 2_000, is_taken=taken) == state


def test_every_word_is_in_the_arguments_or_an_error() -> None:
    found = row(arguments='{"to": "Jörg", "city": "K\\u00f6ln"}'.encode())
    errors = b'["no such Mailbox"]'

    def has(search: str) -> bool:
        return fits(JobFilter(words=words_of(search)), found, "failed", 5, errors)

    assert has("jörg") and has("köln") and has("MAILBOX jörg") and has("ö")
    assert not has("jörg berlin")
    assert words_of(" a  B a ") == ("a", "b")
    assert spellings('"ö') == ('\\"ö', '\\"\\u00f6')


@pytest.mark.bound("bytes of a job's arguments that are searched")
def test_what_is_very_long_is_not_searched() -> None:
    long = b'{"a": "' + b"x" * SEARCHED_MAX + b'"}'
    assert not fits(JobFilter(words=("x",)), row(arguments=long), "waiting", None, b"")
    assert fits(JobFilter(), row(arguments=long), "waiting", None, b"")


def test_each_field_counts() -> None:
    for other in (
        JobFilter(queue="other"),
        JobFilter(job="job.y"),
        JobFilter(key="acme"),
        JobFilter(ids=("0" * 32,)),
        JobFilter(states=("completed",)),
        JobFilter(ended_since_ms=6),
        JobFilter(ended_until_ms=5),
    ):
        assert not fits(other, row(), "failed", 5, b""), other
    same = JobFilter("q", ("failed",), "job.x", "", (), (A,), ended_since_ms=5, ended_until_ms=6)
    assert fits(same, row(), "failed", 5, b"")
