"""The routes of `/admin` for views and sinks: how they are, and what is done about them, of which the log says who.

For operators all; what changes something, and what raised, for admins. A viewer sees which entities wait.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from msgspec import Meta, Struct
from quart import Blueprint, Response

from greenroom.actors.model.entity import split_entity
from greenroom.transports.admin.desk import ViewDesk
from greenroom.transports.admin.roles import Operators
from greenroom.transports.errors import BadRequest
from greenroom.transports.pages.operator_requests import admin, answer, body, limit, number, operator

log = structlog.get_logger("greenroom.admin")

NAME_PATTERN = "^[a-z][a-z0-9_]{0,39}$"  # of a view or a sink

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]


class Steered(Struct, frozen=True, forbid_unknown_fields=True):
    """Which view or sink a request is about."""

    view: Name


class Retried(Struct, frozen=True, forbid_unknown_fields=True):
    """Likewise, and which of its parked entities; None: all."""

    view: Name
    entity: Annotated[str, Meta(max_length=400)] | None = None


def view_routes(routes: Blueprint, desk: ViewDesk, operators: Operators) -> None:
    """Below what `routes` is below."""

    @routes.get("/views")
    async def views() -> Response:
        await operator(operators)
        return answer(await desk.shown())

    @routes.get("/parked")
    async def parked() -> Response:
        who = await operator(operators)
        table = number("table")
        if table is None:
            raise BadRequest("table: the `id` of a table, as /admin/api/views has it")
        return answer(await desk.parked(table, after=number("after") or 0, limit=limit(), full=who.is_admin))

    async def steer(what: str, do: Callable[[str], Awaitable[bytes]]) -> Response:
        who = await admin(operators)
        view = (await body(Steered)).view
        log.info("view_steered", by=who.principal.user, what=what, view=view, entity=None)
        return answer(await do(view))

    @routes.post("/views/pause")
    async def pause() -> Response:
        return await steer("pause", lambda view: desk.pause(view, paused=True))

    @routes.post("/views/resume")
    async def resume() -> Response:
        return await steer("resume", lambda view: desk.pause(view, paused=False))

    @routes.post("/views/rebuild")
    async def rebuild() -> Response:
        return await steer("rebuild", desk.rebuild)

    @routes.post("/views/drop-old")
    async def drop_old() -> Response:
        return await steer("drop-old", desk.drop_old)

    @routes.post("/views/retry")
    async def retry_parked() -> Response:
        who = await admin(operators)
        asked = await body(Retried)
        if asked.entity is not None:
            split_entity(asked.entity)
        log.info("view_steered", by=who.principal.user, what="retry", view=asked.view, entity=asked.entity)
        return answer(await desk.retry(asked.view, asked.entity))
