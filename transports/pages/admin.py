"""The routes of `/admin`: the page, which says nothing itself, and what it reads. All but the page are for operators.

Two routes change something, and the log says who asked for it. No other site's page can make a browser call them: they
take a header that browsers send to another site only when that has allowed it, and this one allows none here.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta, Struct
from quart import Blueprint, Response, request

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, Refused, Unavailable
from greenroom.store.errors import StoreError
from greenroom.transports.admin.desk import Desk
from greenroom.transports.admin.roles import Operator, Operators
from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number
from greenroom.transports.errors import BadRequest, error_headers, http_error_body

log = structlog.get_logger("greenroom.admin")

PAGE_MAX = 100  # events or dead letters in one answer
LETTERS_MAX = 100  # dead letters that one request decides on
_JSON = "application/json"


class Letters(Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters a request is about."""

    ids: Annotated[Sequence[Annotated[int, Meta(ge=1, le=EXACT_MAX)]], Meta(min_length=1, max_length=LETTERS_MAX)]


def admin_routes(desk: Desk, operators: Operators) -> Blueprint:
    """Below `/admin/api`."""
    routes = Blueprint("admin", __name__, url_prefix="/admin/api")

    @routes.errorhandler(ActorError)
    async def refused(error: ActorError) -> Response:
        response = Response(http_error_body(error), status=error.status, content_type=_JSON)
        for name, value in error_headers(error):
            response.headers[name.decode()] = value.decode()
        return response

    @routes.errorhandler(StoreError)
    async def unavailable(error: StoreError) -> Response:
        log.warning("admin_not_answered", error=str(error))
        return await refused(Unavailable("the database does not answer"))

    @routes.get("/me")
    async def me() -> Response:
        operator = await _operator(operators)
        return _answer(msgspec.json.encode({"user": operator.principal.user, "is_admin": operator.is_admin}))

    @routes.get("/cluster")
    async def cluster() -> Response:
        operator = await _operator(operators)
        return _answer(await desk.cluster(full=operator.is_admin))

    @routes.get("/entity")
    async def entity() -> Response:
        operator = await _operator(operators)
        return _answer(await desk.entity(_entity(), full=operator.is_admin))

    @routes.get("/state")
    async def state() -> Response:
        await _admin(operators)
        return _answer(await desk.state(_entity()))

    @routes.get("/journal")
    async def journal() -> Response:
        await _admin(operators)
        return _answer(await desk.journal(_entity(), before=_number("before"), limit=_limit()))

    @routes.get("/letters")
    async def letters() -> Response:
        operator = await _operator(operators)
        name = request.args.get("entity", "")
        if name:
            split_entity(name)
        before, limit = _number("before"), _limit()
        return _answer(await desk.letters(entity=name, before=before, limit=limit, full=operator.is_admin))

    @routes.post("/retry")
    async def retry() -> Response:
        operator = await _admin(operators)
        ids = await _letters()
        log.info("dead_letters_wished", by=operator.principal.user, letters=ids)
        return _answer(await desk.retry(ids))

    @routes.post("/drop")
    async def drop() -> Response:
        operator = await _admin(operators)
        ids = await _letters()
        log.info("dead_letters_dropped", by=operator.principal.user, letters=ids)
        return _answer(await desk.drop(ids))

    return routes


async def _letters() -> list[int]:
    """Those that the request is about, from a page of ours. Raises: Refused, BadRequest."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Refused("cross_site", "this is not for pages of other sites")
    if request.mimetype != _JSON:
        raise BadRequest("the body must be application/json", status=415, name="unsupported_media_type")
    try:
        return list(msgspec.convert(_whole(msgspec.json.decode(await request.get_data())), Letters).ids)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error)) from None


def _whole(body: object) -> object:
    """JSON knows one sort of number: 3.0 is an integer too."""
    if isinstance(body, dict) and isinstance(body.get("ids"), list):
        ids = (int(one) if isinstance(one, float) and one.is_integer() else one for one in body["ids"])
        return body | {"ids": list(ids)}
    return body


async def _operator(operators: Operators) -> Operator:
    """Raises: ActorError."""
    headers = {name.lower().encode("latin-1"): value.encode("latin-1", "replace") for name, value in request.headers}
    return await operators.admitted(headers)


async def _admin(operators: Operators) -> Operator:
    """Raises: ActorError."""
    operator = await _operator(operators)
    if not operator.is_admin:
        raise Refused("not_admin", "this takes a token with the role admin")
    return operator


def _entity() -> str:
    """Raises: BadEntity, BadRequest."""
    name = request.args.get("name", "")
    if not name:
        raise BadRequest("name: an entity, as in ?name=room:lobby")
    split_entity(name)
    return name


def _number(name: str) -> int | None:
    """Raises: BadRequest."""
    if name not in request.args:
        return None
    number = whole_number(request.args[name], most=EXACT_MAX)
    if not number:
        raise BadRequest(f"{name} must be a whole number above 0")
    return number


def _limit() -> int:
    """Raises: BadRequest."""
    if "limit" not in request.args:
        return 50
    limit = whole_number(request.args["limit"], most=PAGE_MAX)
    if not limit:
        raise BadRequest(f"limit must be 1 to {PAGE_MAX}")
    return limit


def _answer(body: bytes) -> Response:
    return Response(body, content_type=_JSON)
