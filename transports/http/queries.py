"""What the query of a read says: how sure it is to be, and which stretch of a history is meant."""

from greenroom.transports.codecs.http_head import query_pairs
from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number
from greenroom.transports.errors import BadRequest
from greenroom.transports.hub.reading import HistoryRange, Sureness


def sureness_of(query: bytes) -> Sureness:
    """Of `read` in the query. Raises: BadRequest, HttpError."""
    match dict(query_pairs(query)).get("read", "leased"):
        case "fast":
            return "fast"
        case "leased":
            return "leased"
        case "verified":
            return "verified"
    raise BadRequest("read must be fast, leased or verified")


def history_range(query: bytes, limit_max: int) -> HistoryRange:
    """`since` is an offset or `epoch:offset`. Raises: BadRequest, HttpError."""
    found = dict(query_pairs(query))
    epoch, _, since = found.get("since", "0").rpartition(":")
    offset = whole_number(since, most=EXACT_MAX)
    limit = whole_number(found["limit"], most=limit_max) if "limit" in found else min(100, limit_max)
    reverse = found.get("reverse", "").lower()
    if offset is None:
        raise BadRequest("since must be an offset or epoch:offset")
    if not limit:
        raise BadRequest(f"limit must be 1 to {limit_max}")
    if reverse not in ("", "0", "1", "true", "false"):
        raise BadRequest("reverse must be true or false")
    return HistoryRange(epoch, offset, limit, reverse in ("1", "true"))
