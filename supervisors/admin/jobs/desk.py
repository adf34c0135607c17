"""The desk's part for queues, jobs and sagas: see transports/admin/job_desk.py.

The list of all queues wakes none: nodes say of those that are awake, and the rest have nothing to do. A job is its row
and what its queue knows of it; whoever looks at one counts as a watcher, so that its worker says soon how far it is.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import msgspec
import trio
from msgspec import Raw

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.listing.lists import JobLists
from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.queue.bulk.messages import Bulk
from greenroom.actors.jobs.queue.control import Limit, Pause, Resume, Why
from greenroom.actors.jobs.queue.messages import NULL
from greenroom.actors.jobs.queue.single.steering import CancelJob, EditJob, RetryJob
from greenroom.actors.jobs.queue.single.telling import Look, Standing
from greenroom.actors.model.errors import ActorError, Refused, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.actors.model.message import Ask, Reply
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.actors.personal.redaction import shape_of
from greenroom.actors.views.cursor import BadCursor
from greenroom.config.telemetry.shown import said
from greenroom.store.jobs.filter import JobFilter
from greenroom.store.jobs.jobs import JobFound, JobStore
from greenroom.store.jobs.sealing import is_sealed
from greenroom.supervisors.admin.asked import Asked
from greenroom.supervisors.admin.desk import REMEMBERED_S, Members, in_time
from greenroom.supervisors.admin.jobs.job_shown import STEPS_SHOWN, arguments_shown, job_shown, list_shown
from greenroom.supervisors.admin.jobs.queues_shown import of_queue, queue_shown, queues_shown, rates_between
from greenroom.supervisors.admin.jobs.sagas_shown import check_saga, command_of, saga_shown
from greenroom.supervisors.admin.jobs.secrets import NotRestored, restored
from greenroom.supervisors.admin.told import QueuesTold
from greenroom.transports.admin.job_desk import JOB, QUEUE, QUEUES, SAGA
from greenroom.transports.errors import BadRequest

ASK_S = 2.0  # what a queue or a saga has to answer
NAMES_MAX = 500  # queues that are listed
NAMES_S = 10.0  # names of queues are read anew after that
KEPT_MAX = 8  # jobs that are kept while somebody looks at them
ADMIN_ROLES = frozenset(("admin",))

encode = msgspec.json.encode


class Asking(Protocol):
    """See Router.ask."""

    async def __call__(self, entity: str, message: Ask[Reply], *, principal: Principal = SYSTEM) -> Reply: ...


class JobDesk:
    """Of one node. Nothing of it runs by itself."""

    def __init__(
        self,
        *,
        store: JobStore,
        lists: JobLists,
        jobs: Jobs,
        kinds: Kinds,
        ask: Asking,
        members: Members,
        asked: Asked,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives Unix seconds."""
        self._store = store
        self._lists = lists
        self._jobs = jobs
        self._kinds = kinds
        self._ask = ask
        self._members = members
        self._asked = asked
        self._clock = clock
        self._shapes = {one.tag: shape_of(one.job) for one in jobs}
        self._names: list[str] = []
        self._names_at = float("-inf")  # on trio's clock
        self._told: dict[int, QueuesTold] = {}  # what nodes said last
        self._told_at = float("-inf")
        self._kept: dict[str, tuple[str, JobFound]] = {}  # by id, the last looked at last: with its version
        self._rates: dict[str, dict[str, float]] = {}

    async def looked(self, what: str, full: bool, viewer: bool) -> tuple[bytes, bytes]:
        """What is shown live to those who see all, and to the others; b"" for whom nobody is there."""
        if what == QUEUES:
            shown = await self.queues()
            return shown, shown
        look = self._look_of(what)
        return await look(True) if full else b"", await look(False) if viewer else b""

    def _look_of(self, what: str) -> Callable[[bool], Awaitable[bytes]]:
        """Raises: BadRequest."""
        for page, read in ((QUEUE, self.queue), (JOB, self.job), (SAGA, self.saga)):
            if what.startswith(page):
                return lambda full: read(what.removeprefix(page), full=full)
        raise BadRequest("there is no such page")

    @property
    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    # Queues.

    async def queues(self) -> bytes:
        trouble = ""
        try:
            names = await self._queue_names()
        except ActorError as error:
            names, trouble = self._names, said(error)
        told = await self._told_by_nodes()
        declared = {one.queue for one in self._jobs}
        return encode(
            queues_shown(
                told,
                self._rates,
                names={*names, *declared},
                declared=declared,
                nodes=len(self._nodes),
                at_ms=self._now_ms,
                trouble=trouble,
            )
        )

    async def _queue_names(self) -> list[str]:
        """Raises: StoreUnavailable, Overloaded."""
        now = trio.current_time()
        if now - self._names_at >= NAMES_S:
            with in_time():
                page = await self._lists.queues("", NAMES_MAX)
            self._names, self._names_at = [row.queue for row in page.rows], now
        return self._names

    @property
    def _nodes(self) -> set[int]:
        return {*(one.incarnation for one in self._members.members()), self._asked.me}

    async def _told_by_nodes(self) -> dict[int, QueuesTold]:
        told = await self._asked.queues(self._nodes)
        now = trio.current_time()
        before = self._told if now - self._told_at < REMEMBERED_S else {}
        self._rates = rates_between(before, told)
        self._told, self._told_at = told, now
        return told

    async def queue(self, queue: str, *, full: bool) -> bytes:
        view = await self._view_of(f"queue:{queue}")
        told = await self._told_by_nodes()
        classes = sorted(self._jobs.of_queue(queue))
        shown = queue_shown(queue, view, of_queue(told, queue), self._rates.get(queue), classes, full=full)
        return encode({"at_ms": self._now_ms, **shown})

    async def _view_of(self, entity: str) -> dict[str, Any]:
        """Raises: ActorError."""
        inspected: Any = await self._within(self._ask(entity, Inspect()))
        assert isinstance(inspected, Inspected)
        found: dict[str, Any] = msgspec.json.decode(inspected.view)
        return found

    async def _within(self, asking: Awaitable[Reply]) -> Reply:
        """Raises: ActorError."""
        with trio.move_on_after(ASK_S):
            return await asking
        raise Unavailable(f"no answer within {ASK_S:g} s")

    # Jobs.

    async def jobs(self, asked: JobFilter, after: str | None, limit: int, *, who: str, full: bool) -> bytes:
        """Raises: BadRequest, Refused."""
        if not full and (asked.words or asked.key is not None):  # what is found would say what is in it
            raise Refused("not_admin", "to look for words or a key takes a token with the role admin")
        try:
            with in_time():
                page = await self._lists.jobs(asked, after, limit, who=who)
        except BadCursor:
            raise BadRequest("after is no cursor of this list with these filters") from None
        return encode(list_shown(page, self._shapes, full=full))

    async def job(self, job_id: str, *, full: bool) -> bytes:
        found = await self._kept_of(job_id)
        entity = f"queue:{found.row.queue}"
        standing: Standing | None = None
        trouble = why = ""
        if found.ended_ms is None:
            try:
                standing = (await self._within(self._ask(entity, Look(id=job_id)))).standing
                if standing is not None and full:
                    with suppress(Refused):  # it has ended just now
                        why = (await self._within(self._ask(entity, Why(id=job_id)))).why
            except ActorError as error:
                trouble = f"its queue does not say: {said(error)}"
            if standing is None:  # or it has ended meanwhile
                found = await self._found(job_id)
        steps: list[str] = []
        if full and found.ended_ms is None:
            with in_time():
                steps = await self._store.step_names(job_id, STEPS_SHOWN)
        return encode(
            job_shown(
                found,
                standing,
                self._shapes.get(found.row.job),
                full=full,
                why=why,
                trouble=trouble if full or not trouble else "its queue does not say",
                steps=steps,
                at_ms=self._now_ms,
            )
        )

    async def _kept_of(self, job_id: str) -> JobFound:
        """It is read whole where it has changed: an open page asks twice a second, and arguments, results and errors
        may be long. Raises: Refused, StoreUnavailable."""
        version = ""
        if ID.fullmatch(job_id):
            with in_time():
                version = await self._store.version(job_id)
        kept = self._kept.pop(job_id, None)
        if not version or kept is None or kept[0] != version:
            kept = version, await self._found(job_id)
        self._kept[job_id] = kept
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return kept[1]

    async def _found(self, job_id: str) -> JobFound:
        """Raises: Refused, StoreUnavailable."""
        found: JobFound | None = None
        if ID.fullmatch(job_id):
            with in_time():
                found = await self._store.find(job_id)
        if found is None:
            raise Refused("job.not_found", "there is none, or none any more", status=404)
        return found

    # What admins do.

    async def _do(self, entity: str, message: Ask[Reply], by: str) -> Reply:
        return await self._within(self._ask(entity, message, principal=Principal(user=by, roles=ADMIN_ROLES)))

    async def pause(self, queue: str, until_ms: int | None, reason: str, *, by: str) -> bytes:
        await self._do(f"queue:{queue}", Pause(until_ms=until_ms, reason=reason), by)
        return encode({"queue": queue, "paused": True})

    async def resume(self, queue: str, *, by: str) -> bytes:
        await self._do(f"queue:{queue}", Resume(), by)
        return encode({"queue": queue, "paused": False})

    async def limit(self, queue: str, limits: Limit, *, by: str) -> bytes:
        await self._do(f"queue:{queue}", limits, by)
        return encode({"queue": queue})

    async def retry(self, job_id: str, *, by: str) -> bytes:
        found = await self._found(job_id)
        waits = await self._do(f"queue:{found.row.queue}", RetryJob(id=job_id), by)
        return encode({"id": job_id, "due_ms": waits.due_ms})

    async def cancel(self, job_id: str, reason: str, *, by: str) -> bytes:
        found = await self._found(job_id)
        cancelling = await self._do(f"queue:{found.row.queue}", CancelJob(id=job_id, reason=reason), by)
        return encode({"id": job_id, "state": cancelling.state})

    async def drop(self, job_id: str, *, by: str) -> bytes:
        found = await self._found(job_id)
        done = await self._do(f"queue:{found.row.queue}", Bulk(act="drop", where=Where(id=[job_id])), by)
        return encode({"id": job_id, "dropped": bool(done.changed)})

    async def edit(
        self, job_id: str, arguments: Any, shown: Any, priority: int | None, delay_s: float | None, *, by: str
    ) -> bytes:
        found = await self._found(job_id)
        edit = EditJob(id=job_id, priority=priority, delay_s=delay_s)
        if arguments is not None:
            edit = msgspec.structs.replace(edit, arguments=self._edited(job_id, found, arguments, shown))
        waits = await self._do(f"queue:{found.row.queue}", edit, by)
        return encode({"id": job_id, "due_ms": waits.due_ms})

    def _edited(self, job_id: str, found: JobFound, arguments: Any, shown: Any) -> Raw:
        """Raises: Refused."""
        stored = found.row.arguments or b"{}"
        present, is_cut = arguments_shown(stored, self._shapes.get(found.row.job))
        if is_cut:
            raise Refused("job.arguments_too_long", "its arguments are too long to be edited here", status=413)
        if present != shown:
            raise Refused("job.changed", "its arguments have changed since they were shown", status=409)
        before = msgspec.json.decode(stored)
        try:
            after = restored(arguments, present, before)
        except NotRestored as error:
            raise Refused("job.arguments", str(error), status=422) from None
        if is_sealed(stored) and after == before:  # it is left alone, beside what else is changed
            return NULL
        made = encode(after)
        installed = self._jobs.get(found.row.job)
        if installed is not None:
            installed.decode(made, job_id)  # says which field is wrong, before a worker does
        return Raw(made)

    # Sagas.

    async def saga(self, saga: str, *, full: bool) -> bytes:
        check_saga(self._kinds, saga)
        view = await self._view_of(saga)
        return encode({"at_ms": self._now_ms, **saga_shown(self._kinds, saga, view, full=full)})

    async def steer_saga(self, saga: str, step: str, fields: Mapping[str, Any], *, by: str) -> bytes:
        """Raises: BadRequest, Refused."""
        command = command_of(self._kinds, saga, step)
        try:
            message = msgspec.convert({**fields}, command)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error)) from None
        await self._do(saga, message, by)
        return encode({"entity": saga})
