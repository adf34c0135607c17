"""What a room shows to whoever begins to watch: bounded, the same for everyone."""

from itertools import islice
from typing import Any

from msgspec import to_builtins

from greenroom.actors.chat.room.state import Posted, RoomState

MEMBERS_SHOWN = 100
MUTED_SHOWN = 100


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
        "messages": [_message(state, offset, posted) for offset, posted in state.window.items()],
        "gifts": state.gifts,
        "counters": {"messages": state.sent, "members": len(state.members), "gifts": sum(state.gifts.values())},
        "muted": list(islice((user for user, until in state.muted.items() if in_force(until, now_ms)), MUTED_SHOWN)),
        "banned": sum(in_force(until, now_ms) for until in state.banned.values()),
    }
    if direct:
        view["direct"] = True
    if state.pinned_message is not None:
        view["pinned"] = _message(state, state.pinned, state.pinned_message)
    return view


def in_force(until_ms: int, now_ms: int) -> bool:
    """Is a mute or ban that lasts until then (0: for good) still one?"""
    return until_ms == 0 or until_ms > now_ms


def _message(state: RoomState, offset: int, posted: Posted) -> dict[str, Any]:
    message: dict[str, Any] = {"offset": offset}
    message.update(to_builtins(posted))
    reactions = state.reactions.get(offset)
    if reactions:
        message["reactions"] = reactions
    return message
