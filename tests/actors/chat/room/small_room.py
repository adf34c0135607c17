"""A room in the kit, spoken to: what is said in it, and what it refuses."""

from typing import Any

import pytest

from greenroom import Message, Refused
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import SendMessage
from greenroom.testing import Kit


def refused(room: Kit[Room], message: Message, user: str | None, name: str, status: int = 403, **more: Any) -> None:
    """`message` is refused by the rule `name`, and nothing happened."""
    before = (len(room.publications), len(room.ephemerals), room.kind.encode_state(room.state))
    with pytest.raises(Refused) as caught:
        room.tell(message, user=user, **more)
    assert (caught.value.name, caught.value.status) == (name, status)
    assert before == (len(room.publications), len(room.ephemerals), room.kind.encode_state(room.state))


def say(room: Kit[Room], text: str = "hi", user: str = "ann", **fields: Any) -> int:
    return room.ask(SendMessage(text=text, **fields), user=user).offset
