"""Single jobs as rows: changed while they wait, begun anew after their end, and the steps of one that are through."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from itertools import pairwise

import msgspec

from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.desk.endings import one_of
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.single.anew import anew
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.jobs.jobs import JobFound, JobOutcome
from greenroom.store.journal.consequences.jobs import FREED, BackRow, EndRow, Jobs, StepRow, TakeRow
from greenroom.store.journal.records import Outcome
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    Cluster,
    MemoryCluster,
    PostgresCluster,
    claim,
    cluster,
    memory,
    postgres,
)
from tests.store.journal.test_journal_jobs import A, B, done, job, store_of, unfinished, write


async def test_a_job_is_changed_in_what_is_given(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A), job(B)]))
    edited = BackRow(A, 90, 0, 0, arguments=b'{"n":2}', priority=0)
    await write(node, queue, Jobs(back={A: edited, B: BackRow(B, 7, 0, 0, cancel="enough")}))
    first, second = (await unfinished(cluster))[0]
    assert first == job(A, due_ms=90, arguments=b'{"n":2}', priority=0)
    assert second == job(B, cancel="enough")


async def test_a_job_that_has_ended_begins_anew_and_keeps_its_errors(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(options=b'{"by":"ann"}')]))
    await write(node, queue, Jobs(ended={A: EndRow(A, "failed", 9, "w", 8, error=b'{"error":"first"}')}))
    found = await store_of(cluster).find(A)
    assert found is not None and (found.state, found.ended_ms, found.started_ms, found.worker) == ("failed", 9, 8, "w")
    again = job(options=b'{"by":"ann"}', due_ms=20)
    assert await write(node, queue, Jobs(revived=[again])) is Outcome.LANDED
    assert await unfinished(cluster) == ([again], []) and await done(cluster) == {}
    await write(node, queue, Jobs(ended={A: EndRow(A, "completed", 30, result=b"1")}))
    found = await store_of(cluster).find(A)
    assert found is not None and (found.state, found.result) == ("completed", b"1")
    if isinstance(cluster, PostgresCluster):
        assert [one["error"] for one in msgspec.json.decode(found.errors or b"")] == ["first"]


async def test_a_job_whose_row_retention_has_dropped_begins_anew_all_the_same(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    assert await write(node, queue, Jobs(revived=[job()])) is Outcome.LANDED
    assert await unfinished(cluster) == ([job()], [])


async def test_one_job_is_found_wherever_it_is(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A, cancel=None)]))
    assert await store_of(cluster).find(A) == JobFound(job(A), "unfinished")
    assert await store_of(cluster).find(B) is None


async def test_a_job_has_another_version_whenever_it_has_changed(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    jobs = store_of(cluster)
    assert await jobs.version(A) == ""
    versions = list[str]()
    for writes in (
        Jobs(added=[job(A)]),
        Jobs(back={A: BackRow(A, 1, 1, 0, b'{"error":"no"}')}),
        Jobs(ended={A: EndRow(A, "failed", 9, error=b'{"error":"no"}')}),
        Jobs(revived=[job(A)]),
    ):
        await write(node, queue, writes)
        versions.append(await jobs.version(A))
        assert await jobs.version(A) == versions[-1]
    assert all(one != other for one, other in pairwise(versions)) and "" not in versions


async def test_steps_are_kept_once_until_their_job_ends(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A), job(B, queue="other")]))
    steps = [StepRow(A, "a", b"1"), StepRow(A, "b", b"2"), StepRow(B, "a", b"3")]
    await write(node, queue, Jobs(steps=steps))
    await write(node, queue, Jobs(steps=[StepRow(A, "a", b"9")]))
    jobs = store_of(cluster)
    assert await jobs.steps(A) == {"a": b"1", "b": b"2"}, "the first result counts"
    assert await jobs.step_names(A, 9) == ["a", "b"] and await jobs.step_names(A, 1) == ["a"]
    assert await jobs.with_steps("q") == [A] and await jobs.with_steps("other") == [B]
    await write(node, queue, Jobs(ended={A: EndRow(A, "completed", 9)}, unstepped=[A]))
    assert await jobs.steps(A) == {} and await jobs.with_steps("q") == [] and await jobs.steps(B) == {"a": b"3"}


async def test_a_take_names_the_process_of_its_worker(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    taken = TakeRow("q", 7, "w", 1, [A], "host/1 5")
    await write(node, queue, Jobs(added=[job()], taken=[taken]))
    assert (await unfinished(cluster))[1] == [taken]


async def test_an_owner_that_was_overtaken_changes_nothing(cluster: Cluster) -> None:
    node, other = cluster.node(1), cluster.node(2)
    stale = await claim(node, "queue:q")
    await write(node, stale, Jobs(added=[job(A), job(B)], steps=[StepRow(A, "a", b"1")]))
    await write(node, stale, Jobs(ended={B: EndRow(B, "failed", 9)}))
    await claim(other, "queue:q", term=2)
    everything = Jobs(revived=[job(B)], steps=[StepRow(A, "b", b"2")], unstepped=[A])
    assert await write(node, stale, everything) is Outcome.FENCED
    assert await unfinished(cluster) == ([job(A)], []) and list(await done(cluster)) == [B]
    assert await store_of(cluster).steps(A) == {"a": b"1"}


def test_what_is_written_in_one_append_is_written_as_it_is_at_last() -> None:
    both = Jobs(back={A: BackRow(A, 1, 1, 0, b"first", priority=3)}, revived=[job(B)])
    both.merge(Jobs(back={A: BackRow(A, 2, 1, 0, arguments=b"{}", cancel="enough"), B: BackRow(B, 99, 0, 0)}))
    assert both.back == {A: BackRow(A, 2, 1, 0, b"first", b"{}", 3, "enough")}, "one row is updated once"
    assert [row.due_ms for row in both.revived] == [99]
    both.merge(Jobs(ended={B: EndRow(B, "cancelled", 5)}))
    assert both.revived == [] and both.ended == {}, "it stays as it had ended"
    steps = Jobs(steps=[StepRow(A, "a", b"1"), StepRow(B, "a", b"22")])
    assert steps.cost() == (2, 3) and len(steps) == 2
    steps.merge(Jobs(unstepped=[A]))
    assert steps.steps == [StepRow(B, "a", b"22")] and steps.unstepped == [A]


async def test_how_jobs_have_ended_is_read_of_one_moment(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A), job(B)]))
    ended = EndRow(A, "failed", 9, error=b'{"error":"no"}', result=b"1")
    await write(node, queue, Jobs(ended={A: ended}))
    store, nobody = store_of(cluster), "f" * 32
    assert await store.outcomes([A, B, nobody]) == {
        A: JobOutcome("q", "failed", ended_ms=9),
        B: JobOutcome("q", "unfinished"),
    }
    assert await store.outcomes([A], results=True) == {A: JobOutcome("q", "failed", b"1", "no", 9)}
    assert await store.ended([A, B, nobody]) == [JobFound(job(A), "failed", 9)], "and whole"
    await write(node, queue, Jobs(back={B: BackRow(B, 1, 0, 0, cancel="enough")}))
    assert await store.outcomes([B]) == {B: JobOutcome("q", "unfinished", is_cancelling=True)}
    await write(node, queue, Jobs(ended={B: EndRow(B, "completed", 9)}))
    assert await store.outcomes([B], results=True) == {B: JobOutcome("q", "completed", ended_ms=9)}


async def test_of_one_in_whose_place_another_is_done_it_is_said_and_what_came_of_that(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    ids = [f"{number:032x}" for number in range(1, 4)]
    await write(node, queue, Jobs(added=[job(one) for one in ids]))
    ends = {one: one_of(one, other, 9) for one, other in pairwise(ids)}
    await write(node, queue, Jobs(ended={**ends, ids[2]: EndRow(ids[2], "completed", 9, result=b"1")}))
    store = store_of(cluster)
    assert (await store.outcomes(ids[:1]))[ids[0]].instead == ids[1]
    known = await store.outcomes(ids[:1], results=True)
    assert known == {ids[0]: JobOutcome("q", "completed", b"1", ended_ms=9, of=ids[2])}
    await write(node, queue, Jobs(dropped=[ids[2]]))
    known = await store.outcomes(ids[:1], results=True)
    assert (known[ids[0]].state, known[ids[0]].instead) == ("cancelled", ""), "it is gone"


async def test_one_that_is_tried_again_is_nobodys_while_others_of_its_take_are_under_way(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    desk, writes = Desk("q"), Jobs(added=[job(A), job(B)])
    desk.add(writes.added, 9)
    token, _ = desk.take("w", 2, None, 9, writes)
    await write(node, queue, writes)
    desk.finish("w", [Finished(A, token, error="no", final=True)], 9, writes := Jobs())
    await write(node, queue, writes)
    store = store_of(cluster)
    found = await store.find(A)
    assert found is not None
    desk.revive(anew(found.row, 9), 9, writes := Jobs())
    await write(node, queue, writes)
    found = await store.find(A)
    assert found is not None and found.state == "unfinished"
    later = Desk("q")
    rows, takes = await unfinished(cluster)
    later.begin(rows, takes, 9)
    assert [one.id for one in later.take("v", 9, None, 9, Jobs())[1]] == [A]


async def test_one_that_was_free_is_so_when_it_is_tried_again(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    waits = Options(waits=Waits([Awaited(B)])).encode()
    await write(node, queue, Jobs(added=[job(A, options=waits, let_go=FREED)]))
    assert (await unfinished(cluster))[0][0].let_go == FREED, "as it was added"
    await write(node, queue, Jobs(ended={A: EndRow(A, "cancelled", 9)}))
    found = await store_of(cluster).find(A)
    assert found is not None
    desk, writes = Desk("q"), Jobs()
    desk.revive(anew(found.row, 9), 9, writes)
    assert [one.id for one in desk.take("v", 9, None, 9, Jobs())[1]] == [A] and not desk.blocked.jobs


async def test_options_are_changed_with_what_is_settled(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A, options=b'{"by":"ann"}')]))
    await write(node, queue, Jobs(back={A: BackRow(A, 1, 0, 0)}))
    assert (await unfinished(cluster))[0][0].options == b'{"by":"ann"}'
    writes = Jobs(back={A: BackRow(A, 1, 0, 0, options=b"{}")})
    writes.merge(Jobs(back={A: BackRow(A, 2, 0, 0)}))
    await write(node, queue, writes)
    assert [(row.options, row.due_ms) for row in (await unfinished(cluster))[0]] == [(b"{}", 2)]


async def test_what_is_free_stays_so(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A)]))
    await write(node, queue, Jobs(back={A: BackRow(A, 1, 0, 0, let_go=FREED)}))
    assert (await unfinished(cluster))[0] == [job(A, due_ms=1, let_go=FREED)]
    await write(node, queue, Jobs(back={A: BackRow(A, 1, 0, 0)}))
    assert (await unfinished(cluster))[0][0].let_go == FREED


async def test_a_job_that_has_ended_is_dropped_for_good(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(A), job(B)]))
    await write(node, queue, Jobs(ended={A: EndRow(A, "failed", 9)}))
    assert await write(node, queue, Jobs(dropped=[A, B])) is Outcome.LANDED
    assert await store_of(cluster).find(A) is None
    assert await store_of(cluster).find(B) is not None, "it has not ended"
