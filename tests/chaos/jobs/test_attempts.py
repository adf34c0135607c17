"""What attempts wrote down: what is lost, done twice or contradicted, and how soon jobs ran again."""

from tests.chaos.jobs.attempts import (
    LATE_NS,
    Attempt,
    Ended,
    Struck,
    attempts_of,
    check_heard,
    check_jobs,
    histogram,
    rescues_of,
)
from tests.chaos.verdict import Verdict

S = 1_000_000_000
RESULT = {"pid": 2, "begun_ns": 5 * S}
WELL = {"j": Ended("completed", RESULT, 6 * S)}


def broken(verdict: Verdict) -> dict[str, int]:
    names = ("lost", "duplicated", "contradicted")
    return {name: getattr(verdict, name) for name in names if getattr(verdict, name)}


def jobs(ended: dict[str, Ended], *attempts: Attempt) -> dict[str, int]:
    verdict = Verdict()
    check_jobs(verdict, ["j"], ended, {"j": list(attempts)})
    return broken(verdict)


def test_attempts_are_read_by_job_and_process() -> None:
    lines = ["j begins 1 100", "k begins 1 150", "j begins 2 200", "j ends 2 250", "k ends 1 300"]
    assert attempts_of(lines) == {"j": [Attempt(1, 100), Attempt(2, 200, 250)], "k": [Attempt(1, 150, 300)]}


def test_a_job_is_done_once_by_an_attempt_that_came_to_its_end() -> None:
    dead, whole = Attempt(1, 1 * S), Attempt(2, 5 * S, 6 * S)
    assert jobs(WELL, dead, whole) == {}
    assert jobs({}, whole) == {"lost": 1}
    assert jobs(WELL, dead) == {"contradicted": 1}, "nobody has returned that"
    assert jobs(WELL, Attempt(2, 5 * S)) == {"contradicted": 1}, "who has, has not come to its end"
    assert jobs({"j": Ended("failed", {}, 6 * S)}, whole) == {"contradicted": 1}
    assert jobs(WELL, whole, Attempt(3, 6 * S + LATE_NS)) == {}, "it was begun just before"
    assert jobs(WELL, whole, Attempt(3, 6 * S + LATE_NS + 1)) == {"duplicated": 1}


def test_who_has_started_a_job_hears_of_it_once() -> None:
    def heard(*of: tuple[str, bool]) -> dict[str, int]:
        verdict = Verdict()
        check_heard(verdict, {"j": "1"}, of)
        return broken(verdict)

    assert heard(("j", True)) == {}
    assert heard() == {"lost": 1}
    assert heard(("j", True), ("j", True)) == {"duplicated": 1}
    assert heard(("j", False)) == {"contradicted": 1}
    assert heard(("j", True), ("k", True)) == {"contradicted": 1}


def test_a_rescue_is_from_the_end_of_a_worker_to_the_next_attempt() -> None:
    def found(*attempts: Attempt, **how: bool) -> list[list[float]]:
        struck = Struck(frozenset({1, 9}), 10 * S, **{"is_dead": True, "is_clear": True} | how)
        rescues = rescues_of([struck], {"j": list(attempts)})
        return [rescues.near_s, rescues.far_s, rescues.disturbed_s]

    in_hand, again = Attempt(9, 9 * S), Attempt(2, 12 * S, 13 * S)
    assert found(in_hand, again) == [[2.0], [], []]
    assert found(in_hand, again, is_dead=False) == [[], [2.0], []]
    assert found(in_hand, again, is_clear=False) == [[], [], [2.0]]
    assert found(Attempt(9, 9 * S, 9 * S + 1), again) == [[], [], []], "it had come to its end"
    assert found(in_hand) == [[], [], []], "that was done just then"
    assert found(Attempt(3, 9 * S), again) == [[], [], []], "another one had it"


def test_a_histogram_has_a_line_for_each_span_that_has_some() -> None:
    assert histogram([0.1, 0.2, 0.9, 40.0]) == [
        f"  {'≤ 0.25 s':>8}       2  {'#' * 40}",
        f"  {'≤ 1 s':>8}       1  {'#' * 20}",
        f"  {'more':>8}       1  {'#' * 20}",
    ]
