"""What bulk commands do at a desk: to jobs as they are now, not as they were read."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.bulk.acting import Acting
from greenroom.actors.jobs.queue.bulk.asked import meant
from greenroom.actors.jobs.queue.bulk.messages import Bulk, Matched
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import ListedJob
from greenroom.store.journal.consequences.jobs import BackRow, Jobs
from tests.actors.jobs.queue.desk.test_desk import NOW, desk, row, take


def listed(number: int, state: str) -> ListedJob:
    return ListedJob(
        id=row(number).id,
        queue="q",
        job="job.x",
        state=state,
        priority=4,
        attempts=0,
        attempts_max=5,
        added_ms=NOW,
        due_ms=NOW,
        ended_ms=NOW if state in ("completed", "failed", "cancelled") else None,
    )


def act(
    one: Desk,
    message: Bulk,
    *jobs: ListedJob,
    old: tuple[str, ...] = (),
    named: Sequence[str] = (),
    options: bytes | None = None,
) -> tuple[Acting, Jobs]:
    whole = [
        JobFound(row(0, id=job.id, attempts=5, options=options), job.state, NOW)
        for job in jobs
        if job.ended_ms is not None
    ]
    matched = Matched(number=1, found=len(jobs), jobs=list(jobs), whole=whole, after=None, named=list(named))
    writes = Jobs()
    acting = Acting(one, message, meant("q", message).states, NOW + 9, writes)
    acting.act(matched, lambda job: job in old)
    return acting, writes


def test_what_waits_is_cancelled_and_workers_are_told_of_what_they_have() -> None:
    one = desk(row(1))
    take(one)
    one.add([row(2), row(3, due_ms=NOW + 99)], NOW)
    cancel = Bulk(act="cancel", reason="enough")
    acting, writes = act(one, cancel, *(listed(number, "waiting") for number in (1, 2, 3, 4)))
    assert (acting.changed, acting.told) == (3, {"w"}), "the fourth has ended since it was read"
    assert {end.state for end in writes.ended.values()} == {"cancelled"} and len(writes.ended) == 2
    assert one.cancelling == {row(1).id: "enough"}


def test_what_is_meant_is_what_a_job_is_now() -> None:
    one = desk(row(1), row(2))
    take(one, most=1)
    acting, writes = act(one, _cancel("waiting"), listed(1, "waiting"), listed(2, "waiting"))
    assert (acting.changed, list(writes.ended)) == (1, [row(2).id])


def _cancel(state: Any) -> Bulk:
    return Bulk(act="cancel", where=Where(state=[state]))


def test_what_waits_is_edited_in_what_is_given() -> None:
    one = desk(row(1, priority=2), row(2))
    acting, writes = act(one, Bulk(act="edit", due_ms=NOW + 50), listed(1, "waiting"))
    assert acting.changed == 1 and writes.back == {row(1).id: BackRow(row(1).id, NOW + 50, 0, 0, priority=2)}
    _, writes = act(one, Bulk(act="edit", priority=0), listed(1, "waiting"))
    assert writes.back[row(1).id] == BackRow(row(1).id, NOW + 50, 0, 0, priority=0)
    assert [job.id for job in take(one)[1]] == [row(2).id]


def test_what_has_failed_begins_anew_once() -> None:
    one = desk()
    retry = Bulk(act="retry")
    acting, writes = act(one, retry, listed(1, "failed"), listed(2, "failed"), old=(row(2).id,))
    assert (acting.changed, acting.revived) == (1, [row(1).id])
    assert [(job.id, job.attempts, job.due_ms) for job in writes.revived] == [(row(1).id, 0, NOW + 9)]
    acting, writes = act(one, retry, listed(1, "failed"))
    assert acting.changed == 0 and not writes, "it waits already, and is not one that has failed"


def test_what_rests_is_tried_now() -> None:
    one = desk(row(1, due_ms=NOW + 5_000, attempts=1))
    acting, writes = act(one, Bulk(act="retry", where=Where(state=["retrying"])), listed(1, "retrying"))
    assert acting.changed == 1 and writes.back[row(1).id].due_ms == NOW + 9


def test_what_was_due_long_ago_is_not_older_than_it_was() -> None:
    one = desk(row(1, due_ms=NOW + 5_000))
    _, writes = act(one, Bulk(act="edit", due_ms=0), listed(1, "delayed"))
    assert writes.back[row(1).id].due_ms == NOW + 9, "it is due now, and goes before nobody who has waited"


def test_what_others_name_is_not_dropped() -> None:
    acting, writes = act(desk(), Bulk(act="drop"), listed(1, "completed"), listed(2, "completed"), named=[row(1).id])
    assert (acting.changed, writes.dropped) == (1, [row(2).id])


def test_one_that_waits_for_others_is_left_to_be_tried_again_with_them() -> None:
    options = Options(waits=Waits([Awaited(row(1).id)])).encode()
    one, retry = desk(), Bulk(act="retry")
    acting, writes = act(one, retry, listed(3, "failed"), listed(2, "failed"), listed(1, "failed"), options=options)
    assert acting.behind == {row(number).id: NOW for number in (1, 2, 3)} and not writes
    acting, writes = act(one, retry, listed(3, "failed"), listed(1, "failed"))
    assert [job.id for job in writes.revived] == [row(1).id, row(3).id], "the first added first"


def test_only_what_has_ended_is_dropped() -> None:
    one = desk(row(1))
    acting, writes = act(one, Bulk(act="drop"), listed(1, "failed"), listed(2, "completed"))
    assert (acting.changed, writes.dropped) == (1, [row(2).id]), "the first was begun anew since it was read"


def test_what_a_saga_has_given_up_is_left_alone_unless_it_is_named() -> None:
    one = desk()
    options = Options(origin="checkout:1", about="do:pack").encode()
    acting, writes = act(one, Bulk(act="retry"), listed(1, "failed"), options=options)
    assert (acting.changed, acting.left, acting.revived) == (0, 1, []) and not writes
    by_id = Bulk(act="retry", where=Where(id=[row(1).id]))
    acting, _ = act(one, by_id, listed(1, "failed"), options=options)
    assert (acting.changed, acting.left) == (0, 1)
    acting, writes = act(one, replace(by_id, detached=True), listed(1, "failed"), options=options)
    assert (acting.changed, acting.left) == (1, 0) and writes.revived[0].options is None
