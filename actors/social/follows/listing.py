"""Lists out of the state, so many at a time: a cursor is where the next ones begin, and holds though the list moves."""

from collections.abc import Iterable

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.follows.messages import List, Listed
from greenroom.actors.social.follows.state import FollowsState


def listed(state: FollowsState, wanted: List) -> Listed:
    """Any but the followers, which are no part of the state. Raises: Refused."""
    if wanted.which == "following":
        return _newest(state, wanted)
    users: Iterable[str] = getattr(state, wanted.which)
    after = wanted.cursor or ""
    behind = sorted(user for user in users if user > after)
    page = behind[: wanted.limit]
    return Listed(page, page[-1] if len(behind) > wanted.limit else None)


def _newest(state: FollowsState, wanted: List) -> Listed:
    """By seq, which says in which order they were asked; in the state they are in the order in which edges began."""
    before = _seq(wanted.cursor)
    behind = [(edge.seq, user) for user, edge in state.following.items() if before is None or edge.seq < before]
    behind.sort(reverse=True)
    page = behind[: wanted.limit]
    return Listed([user for _, user in page], str(page[-1][0]) if len(behind) > wanted.limit else None)


def _seq(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 20):
        raise Refused("follows.bad_cursor", "the cursor is of another list", status=400)
    return int(cursor)
