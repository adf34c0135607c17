"""What the jobs' audit makes of one append: of several messages, in an order that its rows do not show."""

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from greenroom.actors.jobs.limits import QueueLimits, Rate
from greenroom.actors.jobs.options import Options, UniqueKey
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.desk.endings import one_of
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.jobs import BackRow, JobRow, Jobs
from greenroom.store.journal.records import Append, StoredEvent
from greenroom.testing import NO_FAULTS
from tests.simulation.jobs.audit import JobsAudit
from tests.simulation.jobs.classes import Chore, Yard

NOW = 1_000_000
KEY = UniqueKey("k", "keep_last")


class Chores:
    """The desk of that queue, and the audit of what it writes."""

    def __init__(self) -> None:
        self.yard = Yard()
        self.yard.world = SimpleNamespace(checker=SimpleNamespace(failovers=0), faults=NO_FAULTS)  # type: ignore[assignment]
        self.desk = Desk("chores")
        self._audit = JobsAudit(self.yard, lossless=False)
        self._writes = Jobs()

    def add(self, number: int, unique: UniqueKey | None = None, *, within_s: float = 0.0, priority: int = 4) -> str:
        """The id of the job that there is then."""
        expires_ms = NOW + int(within_s * 1000) if within_s else 0
        row = JobRow(
            id=f"{number:032x}",
            queue="chores",
            job="job.chore",
            arguments=json.dumps({"token": f"t{number}", "within_s": within_s}).encode(),
            added_ms=NOW,
            due_ms=NOW,
            priority=priority,
            options=Options(unique=unique, expires_ms=expires_ms).encode(),
            unique_key=unique.key if unique is not None else None,
        )
        if unique is None:
            self._writes.added.append(row)
            self.desk.add([row], NOW)
            return row.id
        verdict = self.desk.judge(unique, row.id, NOW, NOW)
        return str(self._write(self.desk.add_unique, row, unique, verdict, NOW))

    def is_as_another(self, job_id: str) -> None:
        """What its queue never writes of one that has begun."""
        back = BackRow(job_id, NOW, 0, 0, arguments=b'{"token":"another"}')
        self._writes.merge(Jobs(back={job_id: back}))

    def is_given_up(self, job_id: str) -> None:
        """Likewise."""
        self._writes.merge(Jobs(ended={job_id: one_of(job_id, "another", NOW)}))

    def take(self, most: int = 1) -> int:
        token: int = self._write(self.desk.take, "w", most, None, NOW)[0]
        return token

    def give_back(self, job_id: str, token: int) -> None:
        refused = self._write(self.desk.finish, "w", [Finished(job_id, token, refund=True)], NOW)
        assert not refused

    def lose(self) -> None:
        """What the worker has."""
        self._write(lambda now_ms, writes: self.desk.left("w", now_ms, writes, was_lost=True), NOW)

    async def do(self, job_id: str, token: int) -> None:
        work: Any = SimpleNamespace(id=job_id, token=token)
        await self.yard.do(Chore(token="t", takes_s=0.0), work)

    def limit(self, rate: Rate) -> None:
        """As the audit takes it; the desk does not."""
        event = {"type": "queue.limited", "limits": msgspec.to_builtins(QueueLimits(rate=rate))}
        self._commit([StoredEvent(1, NOW, msgspec.json.encode(event))])

    def commit(self) -> None:
        """Raises: AssertionError."""
        self._commit([])

    def _commit(self, events: list[StoredEvent]) -> None:
        writes, self._writes = self._writes, Jobs()
        self._audit.committed("queue:chores", Append(1, 1, 0, events, Consequences(jobs=writes)))

    def _write(self, do: Any, *given: Any) -> Any:
        writes = Jobs()
        done = do(*given, writes)
        self._writes.merge(writes)
        return done


def test_one_that_waits_may_be_as_another_one_and_be_taken_by_the_same_append() -> None:
    chores = Chores()
    first = chores.add(1, KEY)
    chores.commit()
    assert chores.add(2, KEY) == first
    assert chores.take()
    chores.commit()


def test_it_may_also_be_lost_by_that_append_and_is_to_expire_nevertheless() -> None:
    chores = Chores()
    first = chores.add(1, KEY)
    chores.commit()
    assert chores.add(2, KEY, within_s=5.0) == first
    chores.take()
    chores.lose()
    chores.commit()


def test_one_that_was_given_back_by_the_same_append_was_in_hand_as_the_next_was_taken() -> None:
    chores = Chores()
    first, _ = chores.add(1, priority=0), chores.add(2)
    chores.commit()
    token = chores.take()
    chores.take()
    chores.give_back(first, token)
    chores.commit()


@pytest.mark.parametrize("is_held", [True, False])
async def test_what_has_begun_is_not_as_another_one(is_held: bool) -> None:
    chores = Chores()
    one = chores.add(1, KEY)
    token = chores.take()
    chores.commit()
    if not is_held:
        await chores.do(one, token)
        chores.give_back(one, token)
    chores.is_as_another(one)
    with pytest.raises(AssertionError, match="has begun, and is to be as another one"):
        chores.commit()


@pytest.mark.parametrize("has_begun", [True, False])
async def test_what_has_begun_is_not_given_up_for_another_one_and_what_was_given_up_is_not_begun(
    has_begun: bool,
) -> None:
    chores = Chores()
    one = chores.add(1, KEY)
    token = chores.take()
    chores.commit()
    if has_begun:
        await chores.do(one, token)
        chores.is_given_up(one)
        with pytest.raises(AssertionError, match="has begun, and is given up"):
            chores.commit()
    else:
        chores.is_given_up(one)
        chores.commit()
        await chores.do(one, token)
        assert chores.yard.wrong == [f"{one} begins, and was given up for another one"]


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_rate_is_of_what_has_begun_or_may_still(has_begun: bool) -> None:
    chores = Chores()
    chores.limit(Rate(1, per_s=10.0, window="sliding"))
    one = chores.add(1)
    token = chores.take()
    chores.commit()
    if has_begun:
        await chores.do(one, token)
    chores.give_back(one, token)
    chores.commit()
    assert chores.take()
    if has_begun:
        with pytest.raises(AssertionError, match="2 have begun in"):
            chores.commit()
        return
    chores.commit()
    chores.add(2)
    assert chores.take()
    with pytest.raises(AssertionError, match="2 have begun in"):  # the first may be begun by now
        chores.commit()
