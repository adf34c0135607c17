"""Telling: what inboxes hear of a message that names their users, where there is a kind `inbox`.

Once for each message and user, however often it is edited: the inbox knows a repeat. Whoever is no member is told
nothing, since they may not read it. What is taken back, by an edit or with the message, is taken back from all who were
told, also from those who have left since; so whom a message names is part of the room's state.
"""

from collections.abc import Iterable

from greenroom.actors.chat.room.state import RoomState
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.actor import Actor

TEXT_CHARS = 200  # of the message, that an inbox shows


def tell_named(room: Actor[RoomState], message: int, author: str, text: str, before: Iterable[str] = ()) -> None:
    """Of a message that says `text` by now, and named those `before`."""
    named = room.state.named.get(message, [])
    told = Notify(
        id=_id(room, message),
        kind="mention",
        by=author,
        about=room.entity,
        group=f"mention:{room.entity}",
        text=text[:TEXT_CHARS],
        at_ms=int(room.now * 1000),
    )
    _tell(room, [user for user in named if user not in before], told)
    withdraw_named(room, message, [user for user in before if user not in named])


def withdraw_named(room: Actor[RoomState], message: int, users: Iterable[str]) -> None:
    """A message names these no more, or is deleted."""
    _tell(room, users, Withdraw(id=_id(room, message)))


def _id(room: Actor[RoomState], message: int) -> str:
    return f"mention:{room.entity}:{message}"


def _tell(room: Actor[RoomState], users: Iterable[str], said: Notify | Withdraw) -> None:
    for user in users:
        try:
            room.tell(f"inbox:{user}", said)
        except TypeError:  # no such kind is installed
            return
