"""Requests of operators' pages: who asks, and what the address and the body say."""

from typing import Any, TypeVar

import msgspec
from quart import Response, request

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import Refused
from greenroom.transports.admin.roles import Operator, Operators
from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number
from greenroom.transports.errors import BadRequest

PAGE_MAX = 100  # events, dead letters or parked entities in one answer
JSON = "application/json"
AS_WRITTEN = ("arguments", "shown")

T = TypeVar("T")


async def operator(operators: Operators) -> Operator:
    """Raises: ActorError."""
    headers = {name.lower().encode("latin-1"): value.encode("latin-1", "replace") for name, value in request.headers}
    return await operators.admitted(headers)


async def admin(operators: Operators) -> Operator:
    """Raises: Refused `not_admin`; ActorError."""
    found = await operator(operators)
    if not found.is_admin:
        raise Refused("not_admin", "this takes a token with the role admin")
    return found


def entity() -> str:
    """Raises: BadEntity, BadRequest."""
    name = request.args.get("name", "")
    if not name:
        raise BadRequest("name: an entity, as in ?name=room:lobby")
    split_entity(name)
    return name


def number(name: str) -> int | None:
    """Raises: BadRequest."""
    if name not in request.args:
        return None
    found = whole_number(request.args[name], most=EXACT_MAX)
    if not found:
        raise BadRequest(f"{name} must be a whole number above 0")
    return found


def limit() -> int:
    """Raises: BadRequest."""
    if "limit" not in request.args:
        return 50
    found = whole_number(request.args["limit"], most=PAGE_MAX)
    if not found:
        raise BadRequest(f"limit must be 1 to {PAGE_MAX}")
    return found


async def body(of: type[T]) -> T:
    """What a page of ours asks to be done. Raises: Refused, BadRequest."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Refused("cross_site", "this is not for pages of other sites")
    if request.mimetype != JSON:
        raise BadRequest("the body must be application/json", status=415, name="unsupported_media_type")
    try:
        return msgspec.convert(_whole(msgspec.json.decode(await request.get_data())), of)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error)) from None


def _whole(body: Any) -> Any:
    """JSON knows one sort of number: 3.0 is an integer too. What a job is given stays as it was written."""
    match body:
        case float() if body.is_integer() and abs(body) <= EXACT_MAX:
            return int(body)
        case dict():
            return {name: one if name in AS_WRITTEN else _whole(one) for name, one in body.items()}
        case list():
            return [_whole(one) for one in body]
    return body


def answer(body: bytes) -> Response:
    return Response(body, content_type=JSON)
