"""A desk that says what it was asked, for tests of whoever asks it."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.json import encode

from greenroom.actors.jobs.queue.control import Limit
from greenroom.actors.model.errors import Overloaded
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.filter import JobFilter
from greenroom.transports.admin.desk import Onlooker


class Board:
    """What is watched; the test shows things."""

    def __init__(self) -> None:
        self.watched: list[tuple[str, Onlooker]] = []
        self.is_full = False

    def watch(self, what: str, onlooker: Onlooker) -> None:
        if self.is_full:
            raise Overloaded("too many")
        self.watched.append((what, onlooker))

    def leave(self, what: str, onlooker: Onlooker) -> None:
        if (what, onlooker) in self.watched:
            self.watched.remove((what, onlooker))


class StubViews:
    """Likewise, of views."""

    def __init__(self, desk: "StubDesk") -> None:
        self._answer = desk._answer
        self.steered: list[tuple[Any, ...]] = []

    async def shown(self) -> bytes:
        return self._answer("views")

    async def parked(self, table: int, *, after: int, limit: int, full: bool) -> bytes:
        return self._answer("parked", table=table, after=after, limit=limit, full=full)

    async def pause(self, view: str, *, paused: bool) -> bytes:
        self.steered.append(("pause" if paused else "resume", view))
        return self._answer("pause", view=view, paused=paused)

    async def retry(self, view: str, entity: str | None) -> bytes:
        self.steered.append(("retry", view, entity) if entity is not None else ("retry", view))
        return self._answer("retry", view=view, entity=entity)

    async def rebuild(self, view: str) -> bytes:
        self.steered.append(("rebuild", view))
        return self._answer("rebuild", view=view)

    async def drop_old(self, view: str) -> bytes:
        self.steered.append(("drop-old", view))
        return self._answer("drop-old", view=view)


class StubJobs:
    """Likewise, of queues, jobs and sagas."""

    def __init__(self, desk: "StubDesk") -> None:
        self._answer = desk._answer
        self.steered: list[tuple[Any, ...]] = []

    async def looked(self, what: str, full: bool, viewer: bool) -> tuple[bytes, bytes]:
        raise AssertionError("pages ask for what they show")

    async def queues(self) -> bytes:
        return self._answer("queues")

    async def queue(self, queue: str, *, full: bool) -> bytes:
        return self._answer("queue", queue=queue, full=full)

    async def jobs(self, asked: JobFilter, after: str | None, limit: int, *, who: str, full: bool) -> bytes:
        states = list(asked.states)
        return self._answer("jobs", queue=asked.queue, states=states, after=after, limit=limit, who=who, full=full)

    async def job(self, job_id: str, *, full: bool) -> bytes:
        return self._answer("job", id=job_id, full=full)

    async def saga(self, saga: str, *, full: bool) -> bytes:
        return self._answer("saga", saga=saga, full=full)

    def _steered(self, *what: Any) -> bytes:
        self.steered.append(what)
        return self._answer(str(what[0]))

    async def pause(self, queue: str, until_ms: int | None, reason: str, *, by: str) -> bytes:
        return self._steered("pause", queue, until_ms, reason, by)

    async def resume(self, queue: str, *, by: str) -> bytes:
        return self._steered("resume", queue, by)

    async def limit(self, queue: str, limits: Limit, *, by: str) -> bytes:
        return self._steered("limit", queue, limits, by)

    async def retry(self, job_id: str, *, by: str) -> bytes:
        return self._steered("retry", job_id, by)

    async def cancel(self, job_id: str, reason: str, *, by: str) -> bytes:
        return self._steered("cancel", job_id, reason, by)

    async def drop(self, job_id: str, *, by: str) -> bytes:
        return self._steered("drop", job_id, by)

    async def edit(
        self, job_id: str, arguments: Any, shown: Any, priority: int | None, delay_s: float | None, *, by: str
    ) -> bytes:
        return self._steered("edit", job_id, arguments, shown, priority, delay_s, by)

    async def steer_saga(self, saga: str, step: str, fields: Mapping[str, Any], *, by: str) -> bytes:
        return self._steered("saga", saga, step, dict(fields), by)


class StubDesk:
    """Answers with the name and the arguments of what it was asked."""

    def __init__(self) -> None:
        self.live = Board()
        self.views = StubViews(self)
        self.jobs = StubJobs(self)
        self.retried: list[int] = []
        self.dropped: list[int] = []
        self.is_away = False

    def _answer(self, name: str, **asked: Any) -> bytes:
        if self.is_away:
            raise StoreUnavailable("a secret host does not answer")
        return encode({"asked": name, **asked})

    async def cluster(self, *, full: bool) -> bytes:
        return self._answer("cluster", full=full)

    async def entity(self, entity: str, *, full: bool) -> bytes:
        return self._answer("entity", entity=entity, full=full)

    async def state(self, entity: str) -> bytes:
        return self._answer("state", entity=entity)

    async def journal(self, entity: str, *, before: int | None, limit: int) -> bytes:
        return self._answer("journal", entity=entity, before=before, limit=limit)

    async def letters(self, *, entity: str, before: int | None, limit: int, full: bool) -> bytes:
        return self._answer("letters", entity=entity, before=before, limit=limit, full=full)

    async def retry(self, numbers: Sequence[int]) -> bytes:
        self.retried += numbers
        return self._answer("retry", wished=list(numbers))

    async def drop(self, numbers: Sequence[int]) -> bytes:
        self.dropped += numbers
        return self._answer("drop", dropped=list(numbers))
