"""`GET /api/jobs` and `GET /api/queues`: which jobs and which queues there are, in the form of views' rows.

Every parameter but `limit` and `after` is a filter. For staff: arguments are of all customers.
"""

from typing import Final

import msgspec
from msgspec import Struct

from greenroom.actors.jobs.listing.lists import LIMIT, LIMIT_MAX, JobLists, JobsPage, QueuesPage
from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.texts import is_name
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.views.cursor import BadCursor
from greenroom.store.jobs.filter import JobFilter
from greenroom.transports.codecs.http_head import query_pairs
from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number
from greenroom.transports.errors import BadRequest

JOBS: Final = b"/api/jobs"
QUEUES: Final = b"/api/queues"
LIST_PATHS: Final = (JOBS, QUEUES)
TIMES: Final = ("added_since_ms", "added_until_ms", "ended_since_ms", "ended_until_ms")
LISTS: Final = ("state", "id")  # parted by commas


class ListRequest(Struct, frozen=True):
    """What an address asks for."""

    asked: JobFilter | None  # None: for queues
    after: str | None
    limit: int


def list_request(path: bytes, query: bytes) -> ListRequest:
    """Of one of LIST_PATHS. Raises: BadRequest, HttpError."""
    given: dict[str, str] = {}
    for name, value in query_pairs(query):
        if name in given:
            raise BadRequest(f"{name[:80]} is given twice")
        given[name] = value
    limit = whole_number(given.pop("limit", str(LIMIT)), most=LIMIT_MAX)
    if not limit:
        raise BadRequest(f"limit must be 1 to {LIMIT_MAX}")
    after = given.pop("after", None)
    if path == JOBS:
        return ListRequest(_filter(given), after, limit)
    for name in given:
        raise BadRequest(f"{name[:80]} is no parameter of this list")
    if after is not None and not is_name(after):
        raise BadRequest("after must be the name of a queue")
    return ListRequest(None, after, limit)


def _filter(given: dict[str, str]) -> JobFilter:
    """Raises: BadRequest."""
    queue = given.pop("queue", "")
    if not is_name(queue):
        raise BadRequest("queue must be the name of one")
    fields: dict[str, object] = {**given}
    for name in given:
        if name not in Where.__struct_fields__:
            raise BadRequest(f"{name[:80]} is no filter of jobs")
        if name in LISTS:
            fields[name] = [one for one in given[name].split(",") if one]
    for name in TIMES:
        if name in given:
            fields[name] = whole_number(given[name], most=EXACT_MAX)
            if fields[name] is None:
                raise BadRequest(f"{name} must be Unix milliseconds")
    try:
        return msgspec.convert(fields, Where).of(queue)
    except msgspec.ValidationError as error:
        reason, _, field = str(error).partition(" - at `$.")
        raise BadRequest(f"{field.rstrip('`')}: {reason}" if field else reason) from None


async def list_answer(lists: JobLists, request: ListRequest, principal: Principal) -> bytes:
    """The body. Raises: BadRequest, Overloaded, Refused, StoreUnavailable."""
    if STAFF_ROLES.isdisjoint(principal.roles):
        raise Refused("forbidden", "only the roles service and admin list jobs", status=403)
    who = principal.user
    page: JobsPage | QueuesPage
    try:
        if request.asked is None:
            page = await lists.queues(request.after or "", request.limit, who=who)
        else:
            page = await lists.jobs(request.asked, request.after, request.limit, who=who)
    except BadCursor:
        raise BadRequest("after is no cursor of this list with these filters") from None
    return msgspec.json.encode(page)
