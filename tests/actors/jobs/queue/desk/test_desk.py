"""The desk of a queue: who has what, what is written of it, and who is refused."""

import json
from typing import Any

import pytest
from msgspec import Raw

from greenroom.actors.jobs.limits import QueueLimits, Rate
from greenroom.actors.jobs.options import ARGUMENTS_MAX, Options, UniqueKey
from greenroom.actors.jobs.queue.desk import ARGUMENTS_BYTES_MAX, LEASE_MS, LOST_MAX, Desk
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.waiting import TAKE_BYTES, Waiting
from greenroom.store.journal.consequences.jobs import BackRow, EndRow, JobRow, Jobs, TakeRow, UntakenRow

NOW = 1_000_000


def row(number: int, **fields: Any) -> JobRow:
    given = {"queue": "q", "job": "job.x", "arguments": b"{}", "added_ms": NOW, "due_ms": NOW}
    return JobRow(**{"id": f"{number:032x}", **given, **fields})


def desk(*rows: JobRow) -> Desk:
    one = Desk("q")
    one.add(rows, NOW)
    return one


def take(one: Desk, worker: str = "w", most: int = 10, now_ms: int = NOW) -> tuple[int, list[Waiting]]:
    return one.take(worker, most, None, now_ms, Jobs())


def finish(one: Desk, finished: Finished, worker: str = "w", now_ms: int = NOW) -> tuple[list[str], Jobs]:
    writes = Jobs()
    return one.finish(worker, [finished], now_ms, writes), writes


def test_what_is_taken_at_once_is_one_row_under_one_token() -> None:
    one = desk(row(1), row(2), row(3))
    writes = Jobs()
    token, jobs = one.take("w", 2, None, NOW, writes)
    assert writes == Jobs(taken=[TakeRow("q", token, "w", NOW, [row(1).id, row(2).id])])
    again, others = one.take("v", 2, None, NOW, writes)
    assert [job.id for job in jobs + others] == [row(n).id for n in (1, 2, 3)] and again > token
    assert one.take("w", 2, None, NOW, writes) == (0, []), "nothing is left, and nothing is written of it"
    assert len(writes.taken) == 2


def test_what_has_succeeded_ends_and_the_last_of_a_take_ends_that() -> None:
    one = desk(row(1), row(2))
    token, _ = take(one)
    refused, writes = finish(one, Finished(row(1).id, token, Raw(b"7")), now_ms=NOW + 5)
    assert (refused, writes) == ([], Jobs(ended={row(1).id: EndRow(row(1).id, "completed", NOW + 5, "w", NOW, b"7")}))
    _, writes = finish(one, Finished(row(2).id, token))
    assert writes.untaken == [UntakenRow("q", token)] and not one.jobs and not one.hands


@pytest.mark.parametrize("how", ["another worker", "another token", "twice", "never taken", "gone"])
def test_who_does_not_hold_a_job_is_refused(how: str) -> None:
    one = desk(row(1), row(2))
    token, _ = take(one, most=1)
    worker, done = "w", Finished(row(1).id, token)
    match how:
        case "another worker":
            worker = "v"
        case "another token":
            done = Finished(row(1).id, token + 1)
        case "twice":
            finish(one, done)
        case "never taken":
            done = Finished(row(2).id, token)
        case "gone":
            done = Finished(row(9).id, token)
    refused, writes = finish(one, done, worker)
    assert refused == [done.id] and not writes


def test_a_failed_attempt_is_put_back_and_the_last_one_ends_the_job() -> None:
    one = desk(row(1, attempts_max=2))
    token, _ = take(one)
    refused, writes = finish(one, Finished(row(1).id, token, error="no \0 good", retry_s=2.0))
    (back,) = writes.back.values()
    assert (refused, back.due_ms, back.attempts, back.lost) == ([], NOW + 2_000, 1, 0)
    assert json.loads(back.error or b"")["error"] == "no \\0 good", "as jsonb takes it"
    assert take(one) == (0, []), "not yet"
    token, (again,) = take(one, now_ms=NOW + 2_000)
    assert again.attempts == 1
    _, writes = finish(one, Finished(row(1).id, token, error="no", retry_s=2.0), now_ms=NOW + 3_000)
    assert writes.ended[row(1).id].state == "failed" and not writes.back and not one.jobs


@pytest.mark.parametrize(
    ("finished", "state"),
    [({"error": "never", "final": True}, "failed"), ({"cancelled": True}, "cancelled")],
)
def test_some_ends_allow_no_other_attempt(finished: dict[str, Any], state: str) -> None:
    one = desk(row(1))
    token, _ = take(one)
    _, writes = finish(one, Finished(row(1).id, token, **finished))
    assert writes.ended[row(1).id].state == state and not one.jobs


def test_what_was_no_attempt_counts_for_none() -> None:
    one = desk(row(1))
    token, _ = take(one)
    _, writes = finish(one, Finished(row(1).id, token, error="busy", refund=True, retry_s=1.0))
    assert writes.back == {row(1).id: BackRow(row(1).id, NOW + 1_000, 0, 0, let_go=token)}, "nor is there an error"


def test_a_worker_that_is_not_heard_of_loses_what_it_had_and_what_it_says_later_is_refused() -> None:
    one = desk(row(1))
    token, _ = take(one)
    writes = Jobs()
    assert one.expire(NOW + LEASE_MS - 1, writes) == [] and not writes
    assert one.heard("w", [token], NOW + 5_000, writes) == [] and not writes
    assert one.expire(NOW + LEASE_MS, writes) == [], "it was heard of"
    assert one.expire(NOW + 5_000 + LEASE_MS, writes) == ["w"]
    assert (writes.back[row(1).id].lost, writes.untaken) == (1, [UntakenRow("q", token)])
    again, jobs = take(one, "v", now_ms=NOW + 5_000 + LEASE_MS)
    assert [job.id for job in jobs] == [row(1).id]
    assert finish(one, Finished(row(1).id, token))[0] == [row(1).id]
    assert finish(one, Finished(row(1).id, again), "v")[0] == []


def test_a_job_that_has_ended_workers_too_often_fails() -> None:
    one = desk(row(1))
    for lost in range(1, LOST_MAX + 1):
        take(one, f"w{lost}")
        writes = Jobs()
        assert one.left(f"w{lost}", NOW, writes, was_lost=True) == 1
        assert (row(1).id in writes.ended) == (lost == LOST_MAX)
    assert b"ended 3 workers" in (writes.ended[row(1).id].error or b"") and not one.jobs


def test_a_worker_that_leaves_gives_back_what_it_has_and_no_attempt_is_lost() -> None:
    one = desk(row(1), row(2))
    take(one)
    writes = Jobs()
    assert one.left("w", NOW, writes) == 2
    assert {(back.attempts, back.lost) for back in writes.back.values()} == {(0, 0)}
    assert len(take(one, "v")[1]) == 2


def test_what_a_worker_does_not_know_of_goes_to_others_but_not_what_may_be_on_its_way() -> None:
    one = desk(row(1), row(2))
    old, _ = take(one, most=1)
    late = NOW + LEASE_MS // 2 + 1
    new, _ = take(one, most=1, now_ms=late)
    writes = Jobs()
    assert one.heard("w", [7], late, writes) == [7], "which holds nothing"
    assert list(writes.back) == [row(1).id] and writes.back[row(1).id].lost == 0
    assert finish(one, Finished(row(2).id, new))[0] == []
    assert one.heard("v", [old], late, writes) == [old]


def test_it_begins_as_it_is_stored_and_whoever_has_something_is_given_time() -> None:
    one = Desk("q")
    one.begin([row(1), row(2)], [TakeRow("q", 5 << 50, "w", NOW - 60_000, [row(1).id, row(9).id])], NOW)
    token, jobs = take(one, "v")
    assert [job.id for job in jobs] == [row(2).id] and token > 5 << 50, "no token twice"
    assert one.expire(NOW + LEASE_MS - 1, Jobs()) == []
    refused, writes = finish(one, Finished(row(1).id, 5 << 50))
    assert refused == [] and writes.ended[row(1).id].started_ms == NOW - 60_000
    assert writes.untaken == [UntakenRow("q", 5 << 50)]


def test_a_job_is_known_once_however_often_it_is_found() -> None:
    one = desk(row(1))
    assert one.add([row(1), row(2)], NOW) == 1
    take(one)
    assert one.add([row(1)], NOW) == 0 and take(one) == (0, [])


@pytest.mark.bound("bytes of arguments that a queue of jobs has in memory")
def test_arguments_beyond_what_fits_are_not_kept_until_others_have_ended() -> None:
    one, long = desk(), b"x" * ARGUMENTS_MAX
    fit = ARGUMENTS_BYTES_MAX // ARGUMENTS_MAX
    one.add([row(number, arguments=long) for number in range(fit + 1)], NOW)
    assert (one.jobs.is_laden, one.jobs.arguments_bytes) == (True, ARGUMENTS_BYTES_MAX)
    tokens, jobs = [], list[Waiting]()
    while len(jobs) <= fit:  # a take has as many bytes as an answer may have
        token, some = take(one, most=fit + 1)
        tokens += [token] * len(some)
        jobs += some
    assert [job.arguments is None for job in jobs] == [False] * fit + [True]
    for number in (0, fit):
        finish(one, Finished(row(number).id, tokens[number]))
    assert (one.jobs.is_laden, one.jobs.arguments_bytes) == (False, ARGUMENTS_BYTES_MAX - ARGUMENTS_MAX)
    one.add([row(fit + 1, arguments=long)], NOW)
    assert take(one)[1][0].arguments == long


def test_what_was_put_back_is_not_held_by_who_had_it_with_others_before() -> None:
    """The row of a take names both until both are done."""
    rows, take_row = [row(1), row(2)], TakeRow("q", 0, "w", NOW, [row(1).id, row(2).id])
    one = desk(*rows)
    take_row.token, _ = take(one)
    _, writes = finish(one, Finished(row(1).id, take_row.token, error="no", retry_s=1.0))
    rows[0].let_go = writes.back[row(1).id].let_go
    later = Desk("q")
    later.begin(rows, [take_row], NOW)
    assert later.order.running == 1 and [job.id for job in take(later)[1]] == [row(1).id]


def test_one_job_is_not_put_back_and_ended_by_one_append() -> None:
    one = desk(row(1))
    token, _ = take(one)
    writes = Jobs()
    one.finish("w", [Finished(row(1).id, token, error="no", retry_s=1.0)], NOW, writes)
    assert list(writes.back) == [row(1).id]
    one.end(one.jobs[row(1).id], EndRow(row(1).id, "cancelled", NOW), writes)
    assert not writes.back and list(writes.ended) == [row(1).id]


def test_what_a_worker_gives_back_is_where_it_was() -> None:
    one = desk(row(1), row(2), row(3))
    token, jobs = take(one, most=1)
    finish(one, Finished(jobs[0].id, token, refund=True), now_ms=NOW + 5_000)
    assert [job.id for job in take(one, now_ms=NOW + 5_000)[1]] == [row(n).id for n in (1, 2, 3)]


@pytest.mark.bound("bytes of arguments that one take has")
def test_a_take_has_as_many_bytes_as_an_answer_may_have_and_one_job_at_least() -> None:
    for partitions in (1, 3):
        long = b"1" * ARGUMENTS_MAX
        one = desk(*(row(n, arguments=long, partition=str(n % partitions)) for n in range(40)))
        _, jobs = take(one, most=1_000)
        assert len(jobs) == TAKE_BYTES // ARGUMENTS_MAX == 16
        assert [len(take(one, most=1_000)[1]) for _ in range(3)] == [16, 8, 0], "and what is left is there"
    one = desk(row(1, arguments=b"1" * 2 * TAKE_BYTES), row(2))
    assert [len(take(one)[1]) for _ in range(3)] == [1, 1, 0]


def test_what_is_not_handed_out_after_all_is_where_it_was_and_was_no_attempt() -> None:
    one = desk(row(1), row(2), row(3))
    token, _ = take(one)
    writes = Jobs()
    one.give_back(token, [row(2).id, row(3).id, row(9).id], NOW + 5, writes)
    one.give_back(token + 1, [row(1).id], NOW + 5, writes)
    assert {back.id: (back.due_ms, back.attempts, back.lost) for back in writes.back.values()} == {
        row(n).id: (NOW, 0, 0) for n in (2, 3)
    }
    assert [job.id for job in take(one, "v")[1]] == [row(2).id, row(3).id]
    assert one.hands.holds("w", row(1).id, token)


@pytest.mark.parametrize(
    "how",
    [
        "begun",
        "a step is through",
        "not begun",
        "not begun, and the clock was set ahead",
        "not begun, and taken in another life",
    ],
)
def test_what_nobody_has_begun_has_spent_nothing_of_a_rate(how: str) -> None:
    one = Desk("q")
    one.order.limit(QueueLimits(rate=Rate(1, per_s=60.0, window="fixed")), NOW - 1)
    if how == "not begun, and taken in another life":
        token = 5
        one.begin([row(1), row(2), row(3)], [TakeRow("q", token, "w", NOW + 1, [row(1).id])], NOW)
        assert len(take(one, "v", now_ms=NOW)[1]) == 1, "what was spent for that nobody knows"
    else:
        one.add([row(1), row(2)], NOW)
        token, _ = take(one)
    if how == "not begun, and the clock was set ahead":
        one.hands.forgive(NOW + 4)
    if how == "a step is through":
        one.step(row(1).id, "a", b"1", Jobs())
    unbegun = how != "begun"
    finish(one, Finished(row(1).id, token, refund=True, retry_s=600.0, unbegun=unbegun), now_ms=NOW + 5)
    is_given_back = how in ("not begun", "not begun, and the clock was set ahead")
    assert len(take(one, "v", now_ms=NOW + 5)[1]) == is_given_back


@pytest.mark.parametrize(
    "how", [{"result": Raw(b"7")}, {"error": "no"}, {"error": "no", "cancelled": True}, {"lost": True, "refund": True},
            {"rests": True, "refund": True},
            {"result": Raw(b"{"), "refund": True}]
)  # fmt: skip
def test_what_has_come_to_something_was_begun_whatever_its_worker_says(how: dict[str, Any]) -> None:
    one = Desk("q")
    one.order.limit(QueueLimits(rate=Rate(1, per_s=60.0, window="fixed")), NOW - 1)
    options = Options(unique=UniqueKey("k", "keep_last")).encode()
    one.add([row(1, options=options), row(2)], NOW)
    token, _ = take(one)
    _, writes = finish(one, Finished(row(1).id, token, unbegun=True, **{"retry_s": 600.0} | how), now_ms=NOW + 5)
    assert not take(one, "v", now_ms=NOW + 5)[1]
    assert all(back.options is None for back in writes.back.values())


def test_who_does_not_name_what_it_took_from_an_owner_whose_clock_was_ahead_has_lost_it() -> None:
    one, writes = Desk("q"), Jobs()
    one.begin([row(1)], [TakeRow("q", 7, "w", NOW + 3_600_000, [row(1).id])], NOW)
    one.heard("w", [], NOW + LEASE_MS // 2, writes)
    assert not writes, "it may be on its way"
    one.heard("w", [], NOW + LEASE_MS // 2 + 1, writes)
    assert list(writes.back) == [row(1).id]


def test_tokens_are_above_those_by_which_jobs_were_let_go() -> None:
    """The clock of who owned the queue then may have been ahead: what is taken now would count as let go."""
    one, let_go = Desk("q"), (NOW + 3_600_000) << 10
    one.begin([row(1, let_go=let_go)], [], NOW)
    token, _ = take(one)
    assert token > let_go


def expiring(number: int, **fields: Any) -> JobRow:
    return row(number, options=Options(expires_ms=NOW + 100, **fields).encode())


def test_one_that_nobody_has_begun_in_time_is_cancelled_and_who_wants_to_know_hears_of_it() -> None:
    one = desk(expiring(1, origin="film:a", about="hd"), row(2))
    writes = Jobs()
    assert one.end_expired(NOW + 99, writes) and not writes
    assert one.end_expired(NOW + 100, writes)
    assert writes.ended[row(1).id].state == "cancelled" and b"expired" in (writes.ended[row(1).id].error or b"")
    assert [(report.name, report.options.origin) for report in one.reports] == [("job.expired", "film:a")]
    assert [job.id for job in take(one, now_ms=NOW + 100)[1]] == [row(2).id]


@pytest.mark.parametrize("how", ["fails", "is lost", "gives it back"])
def test_one_that_was_begun_is_tried_again_however_late(how: str) -> None:
    one = desk(expiring(1))
    token, _ = take(one)
    writes = Jobs()
    assert one.end_expired(NOW + 200, writes) and not writes, "somebody has it"
    if how == "is lost":
        one.left("w", NOW + 300, writes, was_lost=True)
    else:
        finish(
            one, Finished(row(1).id, token, error="no", retry_s=0.0, refund=how == "gives it back"), now_ms=NOW + 300
        )
    one.end_expired(NOW + 300, writes)
    was_begun = how != "gives it back"
    assert (row(1).id in one.jobs, row(1).id in writes.ended) == (was_begun, not was_begun)


def test_a_life_knows_what_is_stored_of_it() -> None:
    one = Desk("q")
    one.begin([expiring(1), expiring(2)], [TakeRow("q", 5, "w", NOW, [row(2).id])], NOW)
    one.end_expired(NOW + 100, writes := Jobs())
    assert list(writes.ended) == [row(1).id]


@pytest.mark.parametrize("weight", [1, 3])
def test_one_that_is_half_done_does_not_expire(weight: int) -> None:
    one = desk(row(1, options=Options(expires_ms=NOW + 100, weight=weight).encode()))
    token, _ = take(one)
    one.step(row(1).id, "a", b"1", Jobs())
    _, writes = finish(one, Finished(row(1).id, token, refund=True))
    assert writes.back[row(1).id].options == (b"{}" if weight == 1 else Options(weight=weight).encode())
    assert one.end_expired(NOW + 200, Jobs()) and row(1).id in one.jobs
    assert len(take(one, now_ms=NOW + 200)[1]) == 1


def test_one_that_is_put_off_by_another_with_its_key_expires_as_that_one() -> None:
    one = Desk("q")
    unique = UniqueKey("k", "debounce", 60.0)
    for number, at_ms in ((1, NOW + 100), (2, NOW + 200)):
        fields = {"options": Options(unique=unique, expires_ms=at_ms).encode(), "unique_key": "k"}
        added = row(number, **fields)
        one.add_unique(added, unique, one.judge(unique, added.id, NOW, NOW), NOW, writes := Jobs())
    assert writes.back[row(1).id].options == Options(unique=unique, expires_ms=NOW + 200).encode()
    one.end_expired(NOW + 199, ended := Jobs())
    assert not ended
    one.end_expired(NOW + 200, ended)
    assert list(ended.ended) == [row(1).id]


@pytest.mark.bound("jobs that one message ends since nobody has begun them in time")
def test_many_expire_a_stretch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.jobs.queue.desk.desk.EXPIRED_AT_ONCE", 2)
    one = desk(expiring(1), expiring(2), expiring(3))
    writes = Jobs()
    assert [one.end_expired(NOW + 100, writes), one.end_expired(NOW + 100, writes)] == [False, True]
    assert len(writes.ended) == 3 and not one.jobs
