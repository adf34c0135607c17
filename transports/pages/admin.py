"""The routes of `/admin`: the page, which says nothing itself, and what it reads. All but the page are for operators.

Some routes change something, those of views (admin_views.py) and of jobs (admin_jobs.py) among them, and the log says
who asked for it. No other site's page can make a browser call them: they take a header that browsers send to another
site only when that has allowed it, and this one allows none here.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta, Struct
from quart import Blueprint, Response, request

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.store.errors import StoreError
from greenroom.transports.admin.desk import Desk
from greenroom.transports.admin.roles import Operators
from greenroom.transports.codecs.numbers import EXACT_MAX
from greenroom.transports.errors import error_headers, http_error_body
from greenroom.transports.pages.admin_jobs import job_routes
from greenroom.transports.pages.admin_views import view_routes
from greenroom.transports.pages.operator_requests import JSON, admin, answer, body, entity, limit, number, operator

log = structlog.get_logger("greenroom.admin")

LETTERS_MAX = 100  # dead letters that one request decides on


class Letters(Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters a request is about."""

    ids: Annotated[Sequence[Annotated[int, Meta(ge=1, le=EXACT_MAX)]], Meta(min_length=1, max_length=LETTERS_MAX)]


def admin_routes(desk: Desk, operators: Operators) -> Blueprint:
    """Below `/admin/api`."""
    routes = Blueprint("admin", __name__, url_prefix="/admin/api")

    @routes.errorhandler(ActorError)
    async def refused(error: ActorError) -> Response:
        response = Response(http_error_body(error), status=error.status, content_type=JSON)
        for name, value in error_headers(error):
            response.headers[name.decode()] = value.decode()
        return response

    @routes.errorhandler(StoreError)
    async def unavailable(error: StoreError) -> Response:
        log.warning("admin_not_answered", error=str(error))
        return await refused(Unavailable("the database does not answer"))

    @routes.get("/me")
    async def me() -> Response:
        who = await operator(operators)
        return answer(msgspec.json.encode({"user": who.principal.user, "is_admin": who.is_admin}))

    @routes.get("/cluster")
    async def cluster() -> Response:
        who = await operator(operators)
        return answer(await desk.cluster(full=who.is_admin))

    @routes.get("/entity")
    async def of_entity() -> Response:
        who = await operator(operators)
        return answer(await desk.entity(entity(), full=who.is_admin))

    @routes.get("/state")
    async def state() -> Response:
        await admin(operators)
        return answer(await desk.state(entity()))

    @routes.get("/journal")
    async def journal() -> Response:
        await admin(operators)
        return answer(await desk.journal(entity(), before=number("before"), limit=limit()))

    @routes.get("/letters")
    async def letters() -> Response:
        who = await operator(operators)
        name = request.args.get("entity", "")
        if name:
            split_entity(name)
        return answer(await desk.letters(entity=name, before=number("before"), limit=limit(), full=who.is_admin))

    @routes.post("/retry")
    async def retry() -> Response:
        who = await admin(operators)
        ids = list((await body(Letters)).ids)
        log.info("dead_letters_wished", by=who.principal.user, letters=ids)
        return answer(await desk.retry(ids))

    @routes.post("/drop")
    async def drop() -> Response:
        who = await admin(operators)
        ids = list((await body(Letters)).ids)
        log.info("dead_letters_dropped", by=who.principal.user, letters=ids)
        return answer(await desk.drop(ids))

    view_routes(routes, desk.views, operators)
    job_routes(routes, desk.jobs, operators)
    return routes
