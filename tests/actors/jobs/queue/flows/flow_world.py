"""Queues with flows over the same rows, whose lives are lost at any moment. What a life has decided since its last
commit is lost with it, and so is what was a hint; what it told others with a commit arrives, late."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import CoroutineType
from typing import Any, cast

from msgspec import Raw
from msgspec.structs import replace

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.flows.flowing import Flowing
from greenroom.actors.jobs.queue.flows.messages import AddFlow, Child, Children, FlowJob, RetryChildren
from greenroom.actors.jobs.queue.found import ReadOutcomes
from greenroom.actors.jobs.queue.messages import Finished, Found, NewJob
from greenroom.actors.jobs.queue.single.single_jobs import SingleJobs
from greenroom.actors.jobs.queue.steered import SteeredQueue
from greenroom.actors.model.effects import Told
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Later, Message
from greenroom.store.jobs.jobs import JobFound, JobOutcome, Question
from greenroom.store.jobs.jobs_memory import ended_of, outcomes_of
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobRow, Jobs, JobTables


class Store:
    """What is committed."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.forgotten: set[str] = set()  # queues
        self.told: list[tuple[str, Message]] = []  # to queues, each once
        self.timers: list[tuple[int, str, Message]] = []
        self.taken: dict[str, tuple[int, int]] = {}  # when: how many had ended before that append, and with it
        self.ended: list[str] = []  # in their order

    @property
    def rows(self) -> JobTables:
        return self.tables.of(JobTables)

    def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        return outcomes_of(self.rows, ids, results=results)

    def land(self, writes: Jobs) -> None:
        before, since = set(self.rows.done), len(self.ended)
        for one in [*writes.ended, *(row.id for row, _ in writes.over)]:
            assert one not in before, "it ends once"
            self.ended.append(one)
        for one in [one for take in writes.taken for one in take.ids]:
            assert one not in self.taken, "it is taken once"
            self.taken[one] = since, len(self.ended)
        for row in writes.revived:
            self.taken.pop(row.id, None)
        writes.land(Tables(), self.tables)


class Life:
    """One queue, as `Flowing` meets it."""

    kind = "queue"
    answers_at_once = True

    def __init__(self, key: str, store: Store, clock: Callable[[], int], *, is_blind: bool = False) -> None:
        """`is_blind`: it has not found the jobs that there are."""
        self.key = key
        self.entity = f"queue:{key}"
        self._store = store
        self._clock = clock
        self.desk = Desk(key)
        rows = [replace(row) for row in store.rows.jobs.values() if row.queue == key and not is_blind]
        takes = [replace(take, ids=list(take.ids)) for take in store.rows.takes.values() if take.queue == key]
        self.desk.begin(sorted(rows, key=lambda row: row.id), takes, self.now_ms)
        self._seen = {row.id for row in rows}
        queue = cast(SteeredQueue, self)
        self.single = SingleJobs(queue, self.close)
        self.flowing = Flowing(queue, self.single, self._new_rows, self.close)
        self.runtime = self.jobs = self
        self.questions: list[Question] = []
        self.reads: list[tuple[str, int]] = []  # while it did nothing else: what, and of how many jobs
        self.effects = self
        self.hints: list[tuple[str, Message]] = []
        self._writes = Jobs()
        self._hints: list[tuple[str, Message]] = []  # of what is not committed
        self._told: list[tuple[str, Message]] = []
        self._timers: list[tuple[int, str, Message]] = []

    @property
    def now_ms(self) -> int:
        return self._clock()

    # What it says.

    def name(self, effect: Told) -> None:
        self._hints.append((effect.entity, effect.message))

    def tell(self, entity: str, message: Message) -> None:
        self._told.append((entity, message))

    def after(self, seconds: float, message: Message) -> None:
        assert not seconds
        self._hints.append((self.entity, message))

    def set_timer(self, name: str, message: Message, *, after: float) -> None:
        self._timers.append((self.now_ms + int(after * 1000), self.entity, message))

    def require_staff(self, what: str) -> None:
        pass

    def require_worker(self) -> None:
        pass

    def _new_rows(self, jobs: Sequence[NewJob]) -> list[JobRow]:
        now_ms = self.now_ms
        return [
            JobRow(new_id(now_ms), self.key, job.job, b"{}", now_ms, now_ms, attempts_max=job.attempts or 1)
            for job in jobs
        ]

    # What it does.

    def close(self, writes: Jobs) -> None:
        self.flowing.settle(writes)
        self.flowing.speak()
        self._seen.update(row.id for row in writes.added)
        self._writes.merge(writes)

    def handle(self, message: Message) -> Any:
        if isinstance(message, Found):
            return self.look()
        writes = Jobs()
        reply = self.flowing.handle(message, writes)
        if isinstance(reply, CoroutineType):
            return ran(reply)
        self.close(writes)
        if self.answers_at_once and self.questions:
            return self.read(reply)
        return reply

    def read(self, reply: Any = None) -> Any:
        """What it has asked for is there: the answer that was to come."""
        questions, self.questions = self.questions, []
        self.answered: Any = None
        for one in questions:
            writes = Jobs()
            outcomes = self._store.outcomes(one.ids, results=one.results)
            if isinstance(reply, Later):
                reply.wait(cast(Any, self), {})
            self.flowing.handle(ReadOutcomes(number=one.number, outcomes=outcomes), writes)
            self.close(writes)
        return self.answered

    # As who waits for an answer.

    def answer(self, later: Later, reply: Any) -> None:
        self.answered = reply

    def reject(self, error: ActorError) -> None:
        raise error

    # As what reads.

    def ask(self, queue: str, question: Question) -> bool:
        self.questions.append(question)
        return True

    async def ended(self, ids: list[str]) -> list[JobFound]:
        self.reads.append(("ended", len(ids)))
        return ended_of(self._store.rows, ids)

    async def forgotten(self, queues: list[str]) -> list[str]:
        return [one for one in queues if one in self._store.forgotten]

    async def outcomes(self, ids: list[str]) -> dict[str, JobOutcome]:
        self.reads.append(("outcomes", len(ids)))
        return self._store.outcomes(ids)

    def look(self) -> None:
        writes = Jobs()
        rows = [row for row in self._store.rows.jobs.values() if row.queue == self.key and row.id not in self._seen]
        self._seen.update(row.id for row in rows)
        self.desk.found(sorted((replace(row) for row in rows), key=lambda row: row.id), self.now_ms, writes)
        self.close(writes)

    def take(self, most: int) -> None:
        writes = Jobs()
        self.desk.take("w", most, None, self.now_ms, writes)
        self.close(writes)

    def finish(self, job_id: str, token: int, **how: Any) -> None:
        writes = Jobs()
        self.desk.finish("w", [Finished(job_id, token, **how)], self.now_ms, writes)
        self.close(writes)

    def retry(self, job_id: str) -> None:
        ended_ms = self._store.rows.done[job_id][1].ended_ms
        ran(self.single.retry_children(RetryChildren(ends={job_id: ended_ms})))

    def cancel(self, job_id: str) -> None:
        writes = Jobs()
        job = self.desk.jobs.get(job_id)
        if job is not None:
            self.desk.cancel(job, "no", self.now_ms, writes)
            self.close(writes)

    def commit(self) -> None:
        self._store.land(self._writes)
        self._store.told += self._told
        self._store.timers += self._timers
        self.hints += self._hints
        self._writes, self._hints, self._told, self._timers = Jobs(), [], [], []


class World:
    """All of them."""

    def __init__(self, queues: Sequence[str]) -> None:
        self.store = Store()
        self._now_ms = 1_000_000
        self.lives = {key: self.begun(key) for key in queues}

    def begun(self, key: str, *, is_blind: bool = False) -> Life:
        return Life(key, self.store, lambda: self._now_ms, is_blind=is_blind)

    def lose(self, key: str, *, is_blind: bool = False) -> None:
        self.lives[key] = self.begun(key, is_blind=is_blind)

    def add(self, key: str, *jobs: FlowJob) -> dict[str, str]:
        added: dict[str, str] = self.lives[key].handle(AddFlow(jobs=list(jobs))).ids
        return added

    def children(self, key: str, job_id: str) -> list[Child]:
        life = self.lives[key]
        known: list[Child] = life.handle(Children(worker="w", id=job_id, token=life.desk.jobs[job_id].token)).children
        return known

    def wait(self, ms: int) -> None:
        self._now_ms += ms
        for life in self.lives.values():
            writes = Jobs()
            life.flowing.tick(writes)
            life.close(writes)

    def state(self, job_id: str) -> str:
        """What is stored of it."""
        return self.store.rows.done[job_id][1].state if job_id in self.store.rows.done else "unfinished"

    def error(self, job_id: str) -> str:
        return (self.store.rows.done[job_id][1].error or b"").decode()

    def deliver(self, key: str) -> bool:
        """The next thing that queue is told; commits. False: there was none."""
        life, store = self.lives[key], self.store
        entity = life.entity
        for told in (life.hints, store.told):
            found = next((one for one in told if one[0] == entity or told is life.hints), None)
            if found is not None:
                told.remove(found)
                self._to(found[0]).handle(found[1])
                self._to(found[0]).commit()
                return True
        due = next((one for one in store.timers if one[1] == entity and one[0] <= self._now_ms), None)
        if due is not None:
            store.timers.remove(due)
            life.handle(due[2])
            life.commit()
        return due is not None

    def _to(self, entity: str) -> Life:
        return self.lives[entity.partition(":")[2]]

    def held(self, key: str) -> list[tuple[str, int]]:
        """What workers know that they have of that queue: job, token."""
        rows = self.store.rows
        return [
            (one, take.token)
            for take in rows.takes.values()
            if take.queue == key
            for one in take.ids
            if one in rows.jobs and rows.jobs[one].let_go < take.token
        ]

    def run_out(self, how: Mapping[str, Mapping[str, Any]]) -> None:
        """Until nothing is left to be done. `how` jobs end."""
        for _ in range(200):
            for key, life in self.lives.items():
                life.look()
                life.commit()
                while self.deliver(key):
                    pass
                life.take(10)
                life.commit()
                for one, token in self.held(key):
                    life.finish(one, token, **how.get(one, {}))
                    life.commit()
            if not self.store.rows.jobs and not self.store.told:
                return
            self.wait(500)
        raise AssertionError(f"jobs wait for nothing: {list(self.store.rows.jobs)}")


def job(name: str, **fields: Any) -> FlowJob:
    return FlowJob(name=name, job="job.x", **fields)


FAILS: Mapping[str, Any] = {"error": "no", "final": True}
ONE: Mapping[str, Any] = {"result": Raw(b"1")}


def ran(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns: it never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")
