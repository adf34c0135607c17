"""Erasing queues and single jobs: nothing of them is left anywhere in the database, nor comes back."""

from typing import Any, ClassVar

import asyncpg
import msgspec
import pytest

from greenroom import Ask, Done, Refused, Saga, Step, WaitFor
from greenroom.actors.jobs.queue.flows.messages import AddFlow, FlowJob
from greenroom.actors.jobs.queue.messages import NewJob
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.model.errors import Forgotten
from greenroom.actors.saga.messages import CancelSaga
from greenroom.store.erasure.erasing import Erasing, erase_job
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.store.erasure.jobs import Active, OneJob
from greenroom.store.erasure.remaking import Waits
from tests.store.erasure.database import places_of
from tests.store.erasure.queue_place import SECRET, Place, place
from tests.supervisors.jobs.yard import Transcode, Upload
from tests.supervisors.views.stage import until

TABLES = {"jobs", "jobs_done", "job_takes", "job_windows", "job_steps"}


async def test_nothing_of_a_queue_is_left_and_nothing_comes_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.store.erasure.jobs.JOBS_AT_ONCE", 2)
    monkeypatch.setattr("greenroom.store.erasure.erasing.JOBS_AT_ONCE", 2)
    monkeypatch.setattr("greenroom.store.erasure.jobs.LOOKED_THROUGH", 1)
    async with place(database_url) as at:
        await at.fill(SECRET)
        kept = await at.fill("other")
        await at.other.add(SECRET)
        assert await at.tables(SECRET) >= TABLES

        done = await at.erase(f"queue:{SECRET}")

        assert await at.pool.fetch("SELECT count(*) FROM jobs WHERE queue <> 'other'") == [(0,)]
        assert msgspec.json.decode(done.did) | {"jobs": 6, "jobs_done": 1, "job_takes": 1} == msgspec.json.decode(
            done.did
        )
        for table in TABLES - {"job_steps"}:
            rows = await at.pool.fetch(f"SELECT DISTINCT queue FROM {table}")
            assert [row[0] for row in rows] == ["other"], table
        assert [row[0].hex for row in await at.pool.fetch("SELECT id FROM job_steps")] == [kept[1]]
        with pytest.raises(Forgotten):
            await at.add(SECRET, NewJob("job.x"))
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="the queue was forgotten"):
            await at.other.add(SECRET)
        await at.other.add("other")
        assert len((await at.take("other", 10)).jobs) >= 3  # it goes on


async def test_what_an_entity_starts_for_it_is_not_kept(database_url: str) -> None:
    async with place(database_url) as at:
        await at.add("media", NewJob("job.x"))
        await at.erase("queue:media")
        await at.yard.ask("film:alien", Upload(about="hd"))
        assert await at.pool.fetch("SELECT count(*) FROM jobs") == [(0,)]


async def test_a_flow_with_jobs_for_it_is_refused(database_url: str) -> None:
    async with place(database_url) as at:
        await at.add("media", NewJob("job.x"))
        await at.erase("queue:media")
        flow = [FlowJob(name="in", job="job.x", queue="media"), FlowJob(name="out", job="job.x", after=[WaitFor("in")])]
        with pytest.raises(Refused, match="media: it was forgotten"):
            await at.yard.ask("queue:q", AddFlow(jobs=flow))
        assert await at.pool.fetch("SELECT count(*) FROM jobs") == [(0,)], "nor is any other added"


async def test_a_queue_that_was_never_awake_is_erased(database_url: str) -> None:
    async with place(database_url) as at:
        await at.other.add(SECRET)
        await at.erase(f"queue:{SECRET}")
        assert await places_of(at.pool, SECRET) == []
        with pytest.raises(Forgotten):
            await at.add(SECRET, NewJob("job.x"))


async def test_whoever_is_adding_jobs_meanwhile_is_waited_for(database_url: str) -> None:
    async with place(database_url) as at:
        await at.add(SECRET, NewJob("job.x"))
        await at.other.do("BEGIN")
        await at.other.add(SECRET)
        erasures = PostgresErasures(at.pool)
        erasure = await erasures.begin(f"queue:{SECRET}", reason="x", asked_by="x")
        assert erasure is not None
        begun = erasure

        async def is_heard() -> bool:
            return not await erasures.deaf(begun)

        await until(is_heard)
        with pytest.raises(Waits, match="still writes jobs"):
            await at.erase(f"queue:{SECRET}", patience_s=0.3)
        await at.other.do("COMMIT")
        await at.erase(f"queue:{SECRET}")
        assert await places_of(at.pool, SECRET) == []


class Ended(Exception):
    """The process was ended here."""


async def test_it_is_gone_on_with_wherever_it_was_ended(database_url: str) -> None:
    async with place(database_url) as at:
        await at.fill(SECRET)
        steps = 0
        while True:
            left = steps

            class Short:
                """A pool that ends after so many statements."""

                async def fetch(self, sql: str, *args: object) -> Any:
                    nonlocal left
                    if left == 0:
                        raise Ended
                    left -= 1
                    return await at.pool.fetch(sql, *args)

                def connection(self) -> Any:
                    return at.pool.connection()

            short: Any = Short()
            erasure = await PostgresErasures(at.pool).begin(f"queue:{SECRET}", reason="x", asked_by="x")
            assert erasure is not None
            try:
                await Erasing(short, erasure, lambda *_: None).run()
                break
            except Ended:
                steps += 4
        assert steps > 10
        assert await places_of(at.pool, SECRET) == []
        done = await PostgresErasures(at.pool).find(f"queue:{SECRET}")
        assert done is not None
        did = msgspec.json.decode(done.did)
        assert (did["jobs"], did["jobs_done"], did["job_steps"], did["job_windows"]) == (5, 1, 1, 1)


async def erase_one(at: Place, job: str) -> dict[str, Any]:
    done = await erase_job(at.pool, job, lambda *_: None, reason="asked to", asked_by="ann")
    assert done is not None and done.done_ms is not None and (done.kind, done.name) == ("job", None)
    did: dict[str, Any] = msgspec.json.decode(done.did)
    return did


async def test_a_job_that_waits_is_removed_and_its_queue_does_not_hand_it_out(database_url: str) -> None:
    async with place(database_url) as at:
        ids = await at.fill("q")
        await at.pool.fetch("INSERT INTO job_steps (id, name, result) VALUES ($1::text::uuid, 's', '1')", ids[5])
        assert await erase_one(at, ids[5]) == {"jobs": 1, "job_steps": 1, "job_windows": 1}
        assert await at.tables(_uuid(ids[5])) == set()
        for cell in at.yard.kernel.system.awake():
            life: Any = cell.actor
            assert life is None or ids[5] not in life.desk.jobs
        handed = (await at.take("q", 10)).jobs
        assert sorted(job.id for job in handed) == sorted(ids[2:5])


async def test_a_job_that_has_ended_is_removed(database_url: str) -> None:
    async with place(database_url) as at:
        ids = await at.fill("q")
        did = await erase_one(at, ids[0])
        assert did["jobs_done"] == 1
        assert await at.tables(_uuid(ids[0])) == set()
        assert await erase_one(at, ids[0]) == did  # it was


async def test_a_job_that_is_worked_on_stays_and_so_does_its_queue(database_url: str) -> None:
    async with place(database_url) as at:
        ids = await at.fill("q")
        fences = await at.pool.fetch("SELECT fence, epoch FROM heads WHERE entity = 'queue:q'")
        with pytest.raises(Active, match=SECRET):
            await erase_one(at, ids[1])
        assert "jobs" in await at.tables(_uuid(ids[1]))
        assert await at.pool.fetch("SELECT fence, epoch FROM heads WHERE entity = 'queue:q'") == fences
        assert await at.pool.fetch("SELECT 1 FROM erasures") == []


class Show(Ask[Done], tag="premiere.show"):
    """Begin it."""


class Premiere(Saga[Show]):
    """A saga of one job."""

    kind = "premiere"
    steps: ClassVar[tuple[Any, ...]] = (
        Step(name="cut", do=lambda so_far: Transcode(video=so_far.key), undo=None, deadline_s=600.0),
    )


async def test_the_saga_of_a_job_that_was_erased_comes_to_its_end(database_url: str) -> None:
    async with place(database_url, Premiere) as at:
        await at.yard.ask("premiere:alien", Show())
        ((row,),) = await at.pool.fetch("SELECT id FROM jobs")
        await erase_one(at, row.hex)

        async def is_undone() -> bool:
            (actor,) = [one.actor for one in at.yard.kernel.system.awake() if one.entity == "premiere:alien"]
            state: Any = actor.state if actor is not None else None
            return state is not None and state.status == "undone"

        await at.yard.ask("premiere:alien", CancelSaga())
        await until(is_undone)
        with pytest.raises(Forgotten):
            await at.yard.ask("queue:media", CancelJob(id=row.hex))


async def test_there_is_no_such_job(database_url: str) -> None:
    async with place(database_url) as at:
        assert await erase_job(at.pool, "0" * 32, lambda *_: None, reason="x", asked_by="x") is None
        assert not any((await OneJob(at.pool, "0" * 32).count()).values())


def _uuid(job: str) -> str:
    return f"{job[:8]}-{job[8:12]}-{job[12:16]}-{job[16:20]}-{job[20:]}"
