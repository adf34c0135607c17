"""The routes of `/admin` for queues, jobs and sagas: how they are, and what is done about them, of which the log says
who.

For operators all; what changes something, for admins. Of a job a viewer sees no content: see roles.py.
"""

from typing import Annotated, Any, Literal, TypeVar

import structlog
from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Blueprint, Response, request

from greenroom.actors.jobs.listing.where import UnixMs
from greenroom.actors.jobs.queue.control import Limit, Reason
from greenroom.actors.jobs.texts import JobId
from greenroom.actors.model.entity import KEY_BYTES_MAX, KEY_PATTERN, split_entity
from greenroom.actors.model.message import END
from greenroom.transports.admin.job_desk import JobDesk
from greenroom.transports.admin.roles import Operators
from greenroom.transports.errors import BadRequest
from greenroom.transports.http.job_lists import JOBS, list_request
from greenroom.transports.pages.operator_requests import PAGE_MAX, admin, answer, body, operator

T = TypeVar("T")

log = structlog.get_logger("greenroom.admin")


# Of an entity: what is no key of one is refused by its form.
QueueName = Annotated[str, Meta(min_length=1, max_length=KEY_BYTES_MAX, pattern=f"^{KEY_PATTERN}" + END)]
SagaName = Annotated[str, Meta(max_length=400, pattern=f"^[a-z][a-z0-9_]*:{KEY_PATTERN}" + END)]


class Paused(Struct, frozen=True, forbid_unknown_fields=True):
    """Which queue is to pause; until then, or until it is resumed."""

    queue: QueueName
    until_ms: UnixMs | None = None
    reason: Reason = ""


class Resumed(Struct, frozen=True, forbid_unknown_fields=True):
    """Which queue is to go on."""

    queue: QueueName


class Limited(Struct, frozen=True, forbid_unknown_fields=True):
    """What a queue is limited to: as its command `limit` has it."""

    queue: QueueName
    limits: Limit


class OneJob(Struct, frozen=True, forbid_unknown_fields=True):
    """Which job is to be tried now, or forgotten."""

    id: JobId


class Cancelled(Struct, frozen=True, forbid_unknown_fields=True):
    """Which job nobody wants any more."""

    id: JobId
    reason: Reason = ""


class Edited(Struct, frozen=True, forbid_unknown_fields=True):
    """What of a job is to be another. `shown` are the arguments as they were shown to whoever has edited them."""

    id: JobId
    arguments: dict[str, Any] | UnsetType = UNSET
    shown: Any = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    delay_s: Annotated[float, Meta(ge=0, le=366 * 86_400)] | None = None


class SteeredSaga(Struct, frozen=True, forbid_unknown_fields=True):
    """What a saga is told."""

    saga: SagaName
    step: Literal["retry", "resume", "cancel"]
    reason: Annotated[str, Meta(max_length=500)] = ""


def job_routes(routes: Blueprint, desk: JobDesk, operators: Operators) -> None:
    """Below what `routes` is below."""

    @routes.get("/queues")
    async def queues() -> Response:
        await operator(operators)
        return answer(await desk.queues())

    @routes.get("/queue")
    async def queue() -> Response:
        who = await operator(operators)
        return answer(await desk.queue(_named("queue"), full=who.is_admin))

    @routes.get("/jobs")
    async def jobs() -> Response:
        who = await operator(operators)
        wanted = list_request(JOBS, request.query_string)
        assert wanted.asked is not None  # of that path
        limit = min(wanted.limit, PAGE_MAX)
        user = who.principal.user
        return answer(await desk.jobs(wanted.asked, wanted.after, limit, who=user, full=who.is_admin))

    @routes.get("/job")
    async def job() -> Response:
        who = await operator(operators)
        return answer(await desk.job(_named("job"), full=who.is_admin))

    @routes.get("/saga")
    async def saga() -> Response:
        who = await operator(operators)
        return answer(await desk.saga(_named("saga"), full=who.is_admin))

    async def asked_for(of: type[T]) -> tuple[T, str]:
        """What an admin asks for, and who that is."""
        who = await admin(operators)
        return await body(of), who.principal.user

    @routes.post("/queues/pause")
    async def pause_queue() -> Response:
        asked, by = await asked_for(Paused)
        say("pause", f"queue:{asked.queue}", by)
        return answer(await desk.pause(asked.queue, asked.until_ms, asked.reason, by=by))

    @routes.post("/queues/resume")
    async def resume_queue() -> Response:
        asked, by = await asked_for(Resumed)
        say("resume", f"queue:{asked.queue}", by)
        return answer(await desk.resume(asked.queue, by=by))

    @routes.post("/queues/limit")
    async def limit_queue() -> Response:
        asked, by = await asked_for(Limited)
        say("limit", f"queue:{asked.queue}", by)
        return answer(await desk.limit(asked.queue, asked.limits, by=by))

    @routes.post("/jobs/retry")
    async def retry_job() -> Response:
        asked, by = await asked_for(OneJob)
        say("retry", f"job:{asked.id}", by)
        return answer(await desk.retry(asked.id, by=by))

    @routes.post("/jobs/cancel")
    async def cancel_job() -> Response:
        asked, by = await asked_for(Cancelled)
        say("cancel", f"job:{asked.id}", by)
        return answer(await desk.cancel(asked.id, asked.reason, by=by))

    @routes.post("/jobs/drop")
    async def drop_job() -> Response:
        asked, by = await asked_for(OneJob)
        say("drop", f"job:{asked.id}", by)
        return answer(await desk.drop(asked.id, by=by))

    @routes.post("/jobs/edit")
    async def edit_job() -> Response:
        asked, by = await asked_for(Edited)
        say("edit", f"job:{asked.id}", by)
        arguments = None if asked.arguments is UNSET else asked.arguments
        return answer(await desk.edit(asked.id, arguments, asked.shown, asked.priority, asked.delay_s, by=by))

    @routes.post("/sagas/steer")
    async def steer_saga() -> Response:
        asked, by = await asked_for(SteeredSaga)
        split_entity(asked.saga)
        say(asked.step, asked.saga, by)
        fields = {"reason": asked.reason} if asked.step == "cancel" and asked.reason else {}
        return answer(await desk.steer_saga(asked.saga, asked.step, fields, by=by))


def say(what: str, name: str, by: str) -> None:
    log.info("job_steered", by=by, what=what, name=name)


def _named(what: str) -> str:
    """The parameter `name`. Raises: BadEntity, BadRequest."""
    name = request.args.get("name", "")
    if not name:
        raise BadRequest(f"name: of a {what}, as in ?name=…")
    split_entity(name if what == "saga" else f"{what}:{name}")
    return name
