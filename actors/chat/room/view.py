"""What a room shows to whoever begins to watch: the same for everyone, and bounded in bytes as it is encoded.

Counted in characters a text can be six times as long in JSON, and a message with its reactions is as long as hundreds
of user ids. Whoever can write must not make a room that nobody can take in at once.
"""

from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from greenroom.actors.chat.room.state import Posted, RoomState

MEMBERS_SHOWN = 100
MUTED_SHOWN = 100
MESSAGES_BYTES_MAX = 448 * 1024  # of JSON; any message fits, and all else in a view takes less than this again
encode = msgspec.json.encode


def room_view(state: RoomState, *, direct: bool, now_ms: int) -> dict[str, Any]:
    """The room as JSON-able data."""
    view: dict[str, Any] = {
        "title": state.title,
        "open": state.open and not direct,
        "slow_mode_s": state.slow_mode_s,
        "max_members": state.max_members,
        "members": [
            {"user": user, "role": member.role, "read": member.read}
            for user, member in islice(state.members.items(), MEMBERS_SHOWN)
        ],
        "member_count": len(state.members),
        "messages": _messages(state),
        "gifts": state.gifts,
        "counters": {"messages": state.sent, "members": len(state.members), "gifts": sum(state.gifts.values())},
        "muted": list(islice((user for user, until in state.muted.items() if in_force(until, now_ms)), MUTED_SHOWN)),
        "banned": sum(in_force(until, now_ms) for until in state.banned.values()),
    }
    if direct:
        view["direct"] = True
    if state.pinned_message is not None:
        view["pinned"] = Raw(_message(state, state.pinned, state.pinned_message))
    return view


def in_force(until_ms: int, now_ms: int) -> bool:
    """Is a mute or ban that lasts until then (0: for good) still one?"""
    return until_ms == 0 or until_ms > now_ms


def _messages(state: RoomState) -> list[Raw]:
    """The newest that fit, oldest first."""
    shown: list[Raw] = []
    left = MESSAGES_BYTES_MAX
    for offset, posted in reversed(state.window.items()):
        message = _message(state, offset, posted)
        left -= len(message)
        if left < 0:
            break
        shown.append(Raw(message))
    shown.reverse()
    return shown


def _message(state: RoomState, offset: int, posted: Posted) -> bytes:
    reactions = state.reactions.get(offset)
    more = b',"reactions":%b' % encode(reactions) if reactions else b""
    return b'{"offset":%d,%b%b}' % (offset, encode(posted)[1:-1], more)
