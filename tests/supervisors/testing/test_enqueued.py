"""What is meant by a class and some of its values, and what a test that fails is told."""

from datetime import date
from typing import Any

import pytest

from greenroom import Job, Work
from greenroom.supervisors.testing.enqueued import (
    SHOWN_MAX,
    VALUE_MAX,
    Enqueued,
    Outcome,
    fits,
    none_fits,
    require_fields,
    some_fit,
)


class Bill(Job, queue="mail", tag="job.bill"):
    to: str
    on: date = date(2026, 1, 1)

    async def run(self, work: Work) -> None:
        pass


class Reminder(Job, queue="mail", tag="job.reminder"):
    async def run(self, work: Work) -> None:
        pass


def waiting(job: Job, **fields: Any) -> Enqueued:
    given: dict[str, Any] = {"state": "waiting", "delay_s": 0.0, "attempts": 0} | fields
    return Enqueued(job, "1", priority=4, partition="", attempts_max=5, **given)


def test_a_job_fits_by_its_class_and_the_values_that_are_named() -> None:
    job = Bill(to="ann")
    assert fits(job, Bill, {}) and fits(job, Bill, {"to": "ann"})
    assert not fits(job, Bill, {"to": "bob"})
    assert not fits(job, Reminder, {}), "another class"
    assert fits(job, Bill, {"on": "2026-01-01"}), "as JSON has it"


def test_a_field_that_there_is_not_is_no_value_that_does_not_fit() -> None:
    require_fields(Bill, {"to": 1})
    with pytest.raises(TypeError, match="Bill has no field 'too': it has to, on"):
        require_fields(Bill, {"too": "ann"})


def test_who_finds_nothing_is_told_what_there_is() -> None:
    late = waiting(Bill(to="bob"), state="retrying", delay_s=2.0, attempts=1)
    said = none_fits(Bill, {"to": "ann"}, [late, waiting(Reminder())], [])
    assert said.splitlines() == [
        "Bill to='ann' is not enqueued.",
        "Enqueued:",
        "  Bill to='bob' on=datetime.date(2026, 1, 1) (retrying, due in 2 s; 1 of 5 attempts have failed)",
        "  Reminder (waiting)",
    ]
    assert none_fits(Bill, {}, [], []) == "Bill is not enqueued.\nNothing is enqueued."


def test_and_what_has_ended() -> None:
    over = [Outcome(job, "1", "completed", None, [], [], 1, 0.0, [], []) for job in (Bill(to="ann"), Reminder())]
    assert none_fits(Bill, {}, [], over).splitlines()[2:] == [
        "Ended:",
        "  Bill to='ann' on=datetime.date(2026, 1, 1): completed",
    ]


def test_who_finds_some_is_told_which() -> None:
    assert some_fit(Bill, {}, [waiting(Reminder())]) == "Bill is enqueued:\n  Reminder (waiting)"


def test_long_lists_and_long_values_are_cut() -> None:
    said = some_fit(Bill, {}, [waiting(Bill(to="x" * 200))] * (SHOWN_MAX + 3)).splitlines()
    assert len(said) == SHOWN_MAX + 2 and said[-1] == "  … and 3 more"
    assert "x" * (VALUE_MAX - 1) + "…" in said[1] and "x" * VALUE_MAX not in said[1]
