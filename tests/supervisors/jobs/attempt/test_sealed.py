"""Attempts at jobs that are encrypted: nothing is in the clear outside them, and nothing opens that is not theirs."""

from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw
from structlog.testing import capture_logs

from greenroom import Job, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.queue.sealed import sealed_by_others
from greenroom.store.jobs.sealing import ARGUMENTS, RESULT, Place, as_step, keys_for, opened, seal
from greenroom.supervisors.jobs.attempt import Attempt
from tests.supervisors.jobs.attempt.stage import ID, Does, Told, outcome
from tests.supervisors.jobs.work_stage import means


class Pays(Job, queue="q", tag="job.pays", encrypted=True):
    card: str

    async def run(self, work: Work) -> Any:
        first = await work.step("first", self._number)
        return {"card": self.card, "first": first, "again": await work.step("first", self._number)}

    async def _number(self) -> str:
        return f"step {self.card}"


KEY = bytes(range(32))


async def test_what_a_job_is_given_and_comes_to_is_sealed_outside_of_it() -> None:
    told = Told()
    with keys_for(KEY):
        row = Pays(card="4111").to_row(now_ms=5)
        assert row.arguments is not None
        one = TakenJob(row.id, "job.pays", Raw(row.arguments), 1, 3)
        finished = await Attempt(one, 7, InstalledJob(Pays), means(), told).run()
        assert b"4111" not in row.arguments + bytes(finished.result) + bytes(told.kept["first"])
        assert msgspec.json.decode(opened(finished.result, Place("job.pays", row.id, RESULT))) == {
            "card": "4111",
            "first": "step 4111",
            "again": "step 4111",
        }
        again = TakenJob(row.id, "job.pays", Raw(row.arguments), 2, 3, steps=True)
        later = await Attempt(again, 8, InstalledJob(Pays), means(), told).run()
        result = opened(later.result, Place("job.pays", row.id, RESULT))
        assert msgspec.json.decode(result)["first"] == "step 4111", "its steps are opened"
        told.has_ended = [ChildKnown(row.id, "completed", finished.result)]
        attempt = Attempt(one, 7, InstalledJob(Pays), means(), told)
        assert (await attempt.children())[0].result["card"] == "4111"


async def test_one_whose_key_is_not_here_waits_and_says_so() -> None:
    told = Told()
    with keys_for(KEY):
        row = Pays(card="4111").to_row(now_ms=5)
    assert row.arguments is not None
    one = TakenJob(row.id, "job.pays", Raw(row.arguments), 1, 3)
    with keys_for(), capture_logs() as logs:
        finished = await Attempt(one, 7, InstalledJob(Pays), means(), told).run()
    assert finished == Finished(row.id, 7, retry_s=60.0, refund=True, unbegun=True)
    assert [entry["event"] for entry in logs] == ["job_not_opened"] and "4111" not in str(logs)
    assert "GREENROOM_JOBS_KEYS has none" in str(told.notes[0][2])


async def test_one_that_nobody_can_open_has_failed_for_good() -> None:
    with keys_for(KEY), capture_logs():
        for arguments, why in (
            (seal(b"{}", Place("job.other", ID, ARGUMENTS)), "sealed as job.other"),
            (seal(b"{}", Place("job.pays", "b" * 32, ARGUMENTS)), "sealed as arguments of the job b"),
            (seal(b"{}", Place("job.pays", ID, RESULT)), "sealed as result of the job 0"),
            (b'{"$sealed": "1.2"}', "is not"),
        ):
            one = TakenJob(ID, "job.pays", Raw(arguments), 1, 3)
            finished = await Attempt(one, 7, InstalledJob(Pays), means(), Told()).run()
            assert finished.final and finished.error is not None and why in finished.error and not finished.refund


async def test_what_is_not_that_step_is_opened_by_nobody() -> None:
    """As one that was copied into it."""
    told = Told()
    with keys_for(KEY), capture_logs():
        for place, why in (
            (Place("job.pays", ID, as_step("a")), "sealed as job.pays"),
            (Place("job.x", ID, as_step("b")), "sealed as step b of the job 0"),
            (Place("job.x", ID, RESULT), "sealed as result of the job 0"),
        ):
            told.kept = {"a": Raw(seal(b"4111", place))}
            found = await outcome(lambda work: work.step("a", trio.lowlevel.checkpoint), told=told, steps=True)
            assert found.final and found.error is not None and why in found.error


async def test_a_child_has_no_result_but_its_own() -> None:
    told = Told()
    with keys_for(KEY), capture_logs():
        told.has_ended = [ChildKnown("b" * 32, "completed", Raw(seal(b"1", Place("job.pays", ID, RESULT))))]
        found = await outcome(lambda work: work.children(), told=told)
    assert found.final and found.error is not None and "sealed as result of the job 0" in found.error


async def test_but_that_of_the_one_that_was_done_in_its_place() -> None:
    told = Told()

    async def runs(work: Work) -> Any:
        return [(one.id, one.result) for one in await work.children()]

    with keys_for(KEY):
        sealed = Raw(seal(b"1", Place("job.pays", ID, RESULT)))
        told.has_ended = [ChildKnown("b" * 32, "completed", sealed, of=ID)]
        found = await outcome(runs, told=told)
    assert found.error is None and msgspec.json.decode(found.result) == [["b" * 32, 1]]


async def test_one_whose_queue_takes_no_encrypted_children_waits_for_one_that_does() -> None:
    """As that of a node of the release before."""

    class Refuses(Told):
        async def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
            await trio.lowlevel.checkpoint()
            raise sealed_by_others()

    with keys_for(KEY), capture_logs():
        found = await outcome(lambda work: work.spawn("a", [Pays(card="4111")]), told=Refuses())
        assert found == Finished(ID, 9, retry_s=60.0, refund=True)
        found = await outcome(lambda work: work.spawn("a", [Does()]), told=Refuses())
    assert found.error is not None and "queue.sealed" in found.error, "of none that is encrypted it is what it says"


@pytest.mark.parametrize("what", ["a step", "a child"])
async def test_so_it_is_with_what_is_brought_to_it(what: str) -> None:
    told = Told()

    async def runs(work: Work) -> Any:
        return await (work.children() if what == "a child" else work.step("a", trio.lowlevel.checkpoint))

    def brought(sealed: bytes) -> None:
        told.kept = {"a": Raw(sealed)}
        told.has_ended = [ChildKnown(ID, "completed", Raw(sealed))]

    with keys_for(KEY):
        brought(seal(b"1", Place("job.x", ID, RESULT if what == "a child" else as_step("a"))))
    with keys_for(), capture_logs():
        assert await outcome(runs, told=told, steps=True) == Finished(ID, 9, retry_s=60.0, refund=True)
        brought(b'{"$sealed": "1.2"}')
        found = await outcome(runs, told=told, steps=True)
    assert found.final and found.error is not None and "can't be opened" in found.error
