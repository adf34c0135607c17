"""The actor model, free of I/O, and the entities, a folder each.

What an entity of one's own needs is here: see docs/writing-an-entity.md.
"""

from actors.actor import Actor, KindLimits
from actors.errors import ActorError, InvalidCommand, Refused
from actors.kit import Kit
from actors.lifecycle import Answered, Terminated, Undelivered
from actors.message import Ask, Done, Event, Message, Tell
from actors.principal import ANONYMOUS, SYSTEM, Principal

__all__ = [
    "ANONYMOUS",
    "SYSTEM",
    "Actor",
    "ActorError",
    "Answered",
    "Ask",
    "Done",
    "Event",
    "InvalidCommand",
    "KindLimits",
    "Kit",
    "Message",
    "Principal",
    "Refused",
    "Tell",
    "Terminated",
    "Undelivered",
]
