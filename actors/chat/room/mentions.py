"""Mentions: whom a message names with an `@`, and what their inboxes are told of it, where there is a kind `inbox`.

Once for each message and user, however often it is edited: the inbox knows a repeat. Whoever is no member is told
nothing, since they may not read it; nor who is muted.
"""

import re

from greenroom.actors.chat.room.state import RoomState
from greenroom.actors.chat.room.view import in_force
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.actor import Actor

MENTIONS_MAX = 10  # different ones that count, of one message
TEXT_CHARS = 200  # of the message, that an inbox shows
# An `@` behind a letter is part of an address; what ends a sentence is no part of a name.
_MENTION = re.compile(r"(?<![\w@])@([^\s@]{1,64})(?![^\s@])")
_PUNCTUATION = ".,:;!?…'\"“”’)]}>"


def mentioned(text: str) -> list[str]:
    """Whom `@name` names, each once, the first few. A name with a space in it can't be told from what follows."""
    if "@" not in text:
        return []
    names = (name.rstrip(_PUNCTUATION) for name in _MENTION.findall(text.replace("\0", "")))
    return list(dict.fromkeys(name for name in names if name))[:MENTIONS_MAX]


def tell_mentioned(room: Actor[RoomState], message: int, author: str, text: str, before: str = "") -> None:
    """Of a message that says `text` by now, and said `before`."""
    names = mentioned(text)
    if not names:
        return
    state, known = room.state, mentioned(before)
    now_ms = int(room.now * 1000)
    for user in names:
        if user == author or user in known or user not in state.members:
            continue
        muted_ms = state.muted.get(user)
        if muted_ms is not None and in_force(muted_ms, now_ms):
            continue
        told = Notify(
            id=_id(room, message),
            kind="mention",
            by=author,
            about=room.entity,
            group=f"mention:{room.entity}",
            text=text[:TEXT_CHARS],
            at_ms=now_ms,
        )
        if not _tell(room, user, told):
            return


def withdraw_mentions(room: Actor[RoomState], message: int, text: str) -> None:
    """Of a message that is deleted."""
    for user in mentioned(text):
        if user in room.state.members and not _tell(room, user, Withdraw(id=_id(room, message))):
            return


def _id(room: Actor[RoomState], message: int) -> str:
    return f"mention:{room.entity}:{message}"


def _tell(room: Actor[RoomState], user: str, message: Notify | Withdraw) -> bool:
    """False where there are no inboxes."""
    try:
        room.tell(f"inbox:{user}", message)
    except TypeError:  # no such kind is installed
        return False
    return True
