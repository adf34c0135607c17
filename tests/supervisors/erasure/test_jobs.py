"""Forgetting a user who has jobs: those that stay are nobody's, and say nothing of them but what is counted."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from greenroom.actors.identity import Session
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.messages import Finished, NewJob
from greenroom.actors.jobs.queue.single.steering import RetryJob
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.personal.redaction import Redaction
from greenroom.store.erasure.erasures import PostgresErasures, name_of_user
from greenroom.store.erasure.jobs_of_user import FoundJob, JobsOfUser
from greenroom.supervisors.erasure.jobs import RewritingJobs
from greenroom.supervisors.erasure.users import Did, ForgettingUser
from tests.store.erasure.database import places_of
from tests.store.erasure.queue_place import Place, place
from tests.supervisors.erasure.mail_jobs import Export, Greet

ANN = "ann-of-green-gables"
SECRET = "kindred spirit"


JOBS = Jobs([Greet, Export])


async def forget(at: Place) -> dict[str, Any]:
    erasures = PostgresErasures(at.pool)
    did = msgspec.json.encode(Did(alias="forgotten-1")).decode()
    erasure = await erasures.begin_user(ANN, reason="asked to", asked_by="bob", did=did)
    await ForgettingUser(at.pool, Kinds([Session]), ANN, erasure, lambda *_: None, jobs=JOBS).run()
    done = await erasures.find(name_of_user(ANN))
    assert done is not None and done.done_ms is not None
    told: dict[str, Any] = msgspec.json.decode(done.did)
    return told


def greet(to: str, **fields: Any) -> NewJob:
    return NewJob("job.greet", Raw(msgspec.json.encode({"to": to, "text": f"{SECRET} {to}", "size": 3})), **fields)


def export(by: str) -> NewJob:
    return NewJob("job.export", Raw(msgspec.json.encode({"wish": SECRET if by == ANN else "mine"})), by=by)


async def test_what_is_declared_is_nowhere_any_more_and_jobs_are_done(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.store.erasure.jobs_of_user.AT_ONCE", 2)
    async with place(database_url) as at:
        ids = await at.add("q", export(ANN), greet(ANN, partition=ANN), greet("bob"), export(ANN), export("bob"))
        taken = await at.take("q", 1)
        await at.take("q", 0, Finished(taken.jobs[0].id, taken.token))
        assert {one.split(".")[1] for one in await places_of(at.pool, ANN)} >= {"jobs", "jobs_done"}

        told = await forget(at)

        assert await places_of(at.pool, ANN) == []
        assert await places_of(at.pool, "kindred spirit ann") == []
        assert (told["jobs"], told["left"]) == (3, {})
        handed = {one.id: msgspec.json.decode(one.arguments) for one in (await at.take("q", 10)).jobs}
        assert handed == {
            ids[1]: {"to": "forgotten-1", "text": "", "size": 3},
            ids[2]: {"to": "bob", "text": "kindred spirit bob", "size": 3},
            ids[3]: {"wish": ""},
            ids[4]: {"wish": "mine"},
        }
        rows = await at.pool.fetch("SELECT convert_from(options, 'UTF8') FROM jobs WHERE options IS NOT NULL")
        assert [tuple(row) for row in rows] == [('{"by":"bob"}',)]


async def test_one_that_is_tried_again_meanwhile_is_found(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes from one table to another, behind the back of whoever goes through them."""
    async with place(database_url) as at:
        (job_id,) = await at.add("q", export(ANN))
        taken = await at.take("q", 1)
        await at.take("q", 0, Finished(job_id, taken.token))
        find = JobsOfUser.find

        async def after_a_retry(rows: JobsOfUser, table: str, after: str) -> Any:
            if table == "jobs_done" and await at.pool.fetch("SELECT FROM jobs_done"):
                await at.yard.ask("queue:q", RetryJob(id=job_id))
            return await find(rows, table, after)

        monkeypatch.setattr(JobsOfUser, "find", after_a_retry)
        await forget(at)
        assert await places_of(at.pool, ANN) == []
        assert [one.id for one in (await at.take("q", 1)).jobs] == [job_id]


async def test_a_queue_that_has_read_a_finished_job_of_theirs_is_overtaken(database_url: str) -> None:
    async with place(database_url) as at:
        (job_id,) = await at.add("q", export(ANN))
        taken = await at.take("q", 1)
        await at.take("q", 0, Finished(job_id, taken.token))
        fence = "SELECT fence FROM heads WHERE entity = 'queue:q'"
        before = await at.pool.fetch(fence)
        await forget(at)
        assert (await at.pool.fetch(fence))[0][0] > before[0][0]


async def test_what_nobody_declares_is_counted(database_url: str) -> None:
    async with place(database_url) as at:
        free = NewJob("job.free", Raw(msgspec.json.encode({"of": ANN})), attempts=5)
        ids = await at.add("q", free, export("bob"), export("bob"), export("bob"))
        taken = await at.take("q", 4)
        result = Finished(ids[1], taken.token, Raw(msgspec.json.encode([ANN])))
        await at.take("q", 0, result, Finished(ids[2], taken.token, error=f"no mail for {ANN}"))
        await at.take("q", 0, Finished(ids[3], taken.token, error=f"no mail for {ANN}", final=True))
        await at.pool.fetch(
            "INSERT INTO job_steps (id, name, result) VALUES ($1::text::uuid, 's', $2)", ids[0], f'"{ANN}"'.encode()
        )
        await at.pool.fetch(
            "INSERT INTO job_windows (queue, unique_key, id, until_ms) VALUES ('q', $1, $2::text::uuid, 1)",
            f"for {ANN}",
            ids[0],
        )
        assert (await forget(at))["left"] == {"jobs": 2, "jobs_done": 2, "job_steps": 1, "job_windows": 1}


def test_options_of_an_entity_that_is_theirs_and_what_this_release_does_not_know() -> None:
    rows: Any = None
    rewriting = RewritingJobs(rows, JOBS, Redaction(ANN, "forgotten-1"), ANN, [f"session:{ANN}"])

    def options(**said: Any) -> Any:
        job = FoundJob("1", "q", "job.free", b"{}", msgspec.json.encode(said), "")
        made = rewriting.anew(job).options
        return None if made is None else msgspec.json.decode(made)

    assert options(by=ANN) is None
    assert options(by=ANN, later=1) == {"later": 1}
    assert options(origin=f"session:{ANN}", about="x") is None
    assert options(origin="room:a", about="x") == {"origin": "room:a", "about": "x"}
    strange = FoundJob("1", "q", "job.greet", b"not JSON", None, "")
    assert rewriting.anew(strange) == strange
