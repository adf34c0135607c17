"""What bulk commands do at a desk: to jobs as they are now, not as they were read."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.bulk import acting as module
from greenroom.actors.jobs.queue.bulk.acting import Acting, within
from greenroom.actors.jobs.queue.bulk.asked import meant
from greenroom.actors.jobs.queue.bulk.messages import Bulk, BulkDone, Matched
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.flows.messages import RetryChildren
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.testing.kit import Waiting
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.filter import Match
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import ListedJob
from greenroom.store.journal.consequences.jobs import BackRow, Jobs
from greenroom.testing import Kit
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
    hindered: Sequence[str] = (),
) -> tuple[Acting, Jobs]:
    whole = [
        JobFound(row(0, id=job.id, attempts=5, options=options), job.state, NOW)
        for job in jobs
        if job.ended_ms is not None
    ]
    matched = Matched(number=1, found=len(jobs), jobs=list(jobs), whole=whole, after=None, named=list(named))
    writes = Jobs()
    acting = Acting(one, message, meant("q", message).states, NOW + 9, writes)
    acting.act(matched, lambda job: job in old, hindered)
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


def test_one_whose_children_hinder_it_is_left_alone_and_counted() -> None:
    options = Options(waits=Waits([Awaited("c", is_child=True)])).encode()
    retry, both = Bulk(act="retry"), (listed(2, "failed"), listed(1, "failed"))
    acting, writes = act(desk(), retry, *both, options=options, hindered=[row(1).id])
    assert acting.behind == {row(2).id: NOW} and (acting.changed, acting.left) == (1, 1) and not writes


@pytest.mark.bound("jobs waited for by those that one bulk command tries again")
def test_so_many_are_waited_for_by_what_is_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITED_MAX", 3)
    two = Options(waits=Waits([Awaited("c", is_child=True), Awaited("d")])).encode()
    jobs = [listed(number, "failed") for number in range(5, 0, -1)]
    whole = [
        JobFound(row(0, id=job.id, options=two if number < 4 else None), "failed", NOW)
        for number, job in enumerate(jobs)
    ]
    matched = Matched(number=1, found=5, jobs=jobs, whole=whole, after="x")
    assert within(matched) == Matched(number=1, found=2, jobs=jobs[:2], whole=whole[:2], after=jobs[1].id)
    rest = replace(matched, found=1, jobs=jobs[4:], whole=whole[4:])
    assert within(rest) is rest, "to the end of what was looked for"


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


def parents(kit: Kit[Queue], monkeypatch: pytest.MonkeyPatch, *numbers: int) -> tuple[Waiting[BulkDone], Matched]:
    """A bulk command that is to try these again, and the jobs that were found for it."""
    asked: list[Match] = []

    def match(queue: str, one: Match) -> bool:
        asked.append(one)
        return True

    monkeypatch.setattr(kit._world.jobs, "match", match)
    waiting = kit.ask_later(Bulk(act="retry"))
    waits = Options(waits=Waits([Awaited("f" * 32, is_child=True)])).encode()
    jobs = [replace(listed(number, "failed"), queue="media") for number in numbers]
    whole = [JobFound(row(number, queue="media", options=waits), "failed", NOW) for number in numbers]
    return waiting, Matched(number=asked[0].number, found=len(jobs), jobs=jobs, whole=whole, after=None)


def test_many_parents_are_tried_again_as_many_at_once_as_their_children_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITED_MAX", 2)
    kit, ids = Kit(Queue, key="media"), [row(number).id for number in (3, 2)]
    waiting, matched = parents(kit, monkeypatch, 3, 2, 1)
    kit.bring(matched)
    assert (waiting.reply.found, waiting.reply.changed) == (2, 2) and waiting.reply.next is not None
    told = [one.message for one in kit.told if one.entity == kit.entity]
    assert told == [RetryChildren(ends=dict.fromkeys(ids, NOW))]


def test_whoever_wants_many_tried_again_hears_that_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_away(*_: object) -> None:
        raise StoreUnavailable("away")

    kit = Kit(Queue, key="media")
    waiting, matched = parents(kit, monkeypatch, 1)
    monkeypatch.setattr(kit._world.jobs, "outcomes", is_away)
    kit.bring(matched)
    with pytest.raises(Unavailable):
        assert waiting.reply
    assert kit.told == [] and kit.actor.single.bulks.is_idle(0)
