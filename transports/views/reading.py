"""`GET /api/{view}/{key}`: what its query says, and its answer.

`limit`, `after` and `before` (cursors), `search`, `at=kind:key@offset` with `stale=ok`, and every other parameter is a
filter: a key or an index of the view with the value that it is to have.

The answer says where the page's channel stands, as it is known on this node: whoever subscribes from there misses
nothing. Nobody is woken to say so, so of a page that nobody watches here it is a place that no channel knows, from
which a subscriber is given all of the page.

`GET /api/{other}/{key}/{view}` is the same of all pages of the view that the rows of `{other}:{key}` name, for
a search.
"""

from hashlib import blake2b

import msgspec
import trio
from msgspec import UNSET, Raw, Struct, UnsetType

from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.actors.model.errors import DeadlineExceeded
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.query import Arranged, BadQuery, NoSuchPage
from greenroom.actors.views.reader import ViewReader
from greenroom.store.views.asked import Asked
from greenroom.transports.codecs.http_head import query_pairs
from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number
from greenroom.transports.errors import BadRequest
from greenroom.transports.hub.hub import Hub

NOWHERE = "none"  # no epoch of anything
STALE_WAIT_S = 1.0  # for whoever would rather have old rows than none


class ViewRequest(Struct, frozen=True):
    """A query, as its address says it."""

    asked: Asked
    entity: str = ""  # that is to be folded
    offset: int = 0  # up to there
    takes_stale: bool = False


class Match(Struct, frozen=True):
    """How a row fits the search."""

    rank: float
    snippet: list[str]  # parts of its text: the second, fourth … are words that were searched for


class PageAnswer(Struct, frozen=True):
    """The body of an answer."""

    rows: list[Raw]
    next: str | None
    previous: str | None
    matches: list[Match] | UnsetType = UNSET  # of a search, one for each row
    stale: bool | UnsetType = UNSET  # what was waited for is not among it, or nobody folds into it


class Positioned(Struct, frozen=True):
    """The end of the body: where the page's channel stands."""

    epoch: str
    offset: int


def understood(query: bytes, view: Installed) -> ViewRequest:
    """Raises: BadRequest, HttpError."""
    given: dict[str, str] = {}
    for name, value in query_pairs(query):
        if name in given:
            raise BadRequest(f"{name[:80]} is given twice")
        given[name] = value
    limit: int | None = None
    if "limit" in given:
        limit = whole_number(given.pop("limit"), most=EXACT_MAX) or 0  # which no page is of, and it is said why
    entity, offset = _moment(given.pop("at"), view) if "at" in given else ("", 0)
    stale = given.pop("stale", "")
    if stale not in ("", "ok"):
        raise BadRequest("stale must be ok")
    asked = Asked(
        limit=limit,
        after=given.pop("after", None),
        before=given.pop("before", None),
        search=given.pop("search", None),
        where=given,
    )
    return ViewRequest(asked, entity, offset, stale == "ok")


def _moment(at: str, view: Installed) -> tuple[str, int]:
    """Entity and offset of `kind:key@offset`. Raises: BadRequest."""
    entity, _, number = at.rpartition("@")
    offset = whole_number(number, most=EXACT_MAX)
    try:
        kind, _ = split_entity(entity)
    except BadEntity:
        kind = ""
    if offset is None or not kind:
        raise BadRequest("at must be an entity and an offset, kind:key@offset")
    if kind not in view.kinds:
        raise BadRequest(f"at names a {kind}, of which {view.name} is not made")
    return entity, offset


async def answer(
    reader: ViewReader,
    hub: Hub,
    view: Installed,
    key: str,
    request: ViewRequest,
    deadline: float,
    *,
    who: str = "",
    across: str = "",
) -> tuple[bytes, bytes]:
    """ETag and body. `deadline` on the trio clock. `who`: see ViewReader. `across`: the view whose page `key` names the
    pages that are meant.

    Raises: BadRequest, DeadlineExceeded, Unavailable, Overloaded, StoreUnavailable.
    """
    is_late = False
    with trio.move_on_at(deadline) as scope:
        if request.entity:
            is_late = await _waits_in_vain(reader, view, request, deadline, who)
        # Before the rows are read: what comes behind it is not older than they are.
        is_watched = view.view.watch is not None and not across
        position = hub.position(f"{view.name}:{key}") if is_watched else None
        try:
            found = await reader.read(view.name, key, request.asked, across=across, who=who)
        except BadQuery as error:
            raise BadRequest(str(error)) from None
        except NoSuchPage as error:
            raise BadRequest(str(error), name="not_found", status=404) from None
    if scope.cancelled_caught:
        raise DeadlineExceeded()
    is_stale = is_late or not reader.live(view.name).version.is_kept_up
    page = msgspec.json.encode(_page(request, found, is_stale=is_stale))
    etag = b'W/"%b"' % blake2b(page, digest_size=12).hexdigest().encode()
    epoch, offset = position or (NOWHERE, 0)
    return etag, page[:-1] + b"," + msgspec.json.encode(Positioned(epoch, offset))[1:]


async def _waits_in_vain(reader: ViewReader, view: Installed, request: ViewRequest, deadline: float, who: str) -> bool:
    """Raises: DeadlineExceeded, unless old rows will do."""
    until = deadline
    if request.takes_stale:
        now = trio.current_time()
        until = min(now + STALE_WAIT_S, now + (deadline - now) / 2)
    with trio.move_on_at(until) as scope:
        await reader.until_folded(view.name, request.entity, request.offset, who=who)
    if scope.cancelled_caught and not request.takes_stale:
        raise DeadlineExceeded()
    return scope.cancelled_caught


def _page(request: ViewRequest, found: Arranged, *, is_stale: bool) -> PageAnswer:
    matches = [Match(one.rank, list(one.snippet)) for one in found.rows] if request.asked.search is not None else UNSET
    rows = [Raw(found.layout.json_of(one.values)) for one in found.rows]
    return PageAnswer(rows, found.next, found.previous, matches, True if is_stale else UNSET)


def is_known(etag: bytes, if_none_match: bytes | None) -> bool:
    """Does the client have it? RFC 9110 section 13.1.2: a list of tags, compared weakly, or `*`."""
    if if_none_match is None:
        return False
    known = [one.strip().removeprefix(b"W/") for one in if_none_match.split(b",")]
    return b"*" in known or etag.removeprefix(b"W/") in known
