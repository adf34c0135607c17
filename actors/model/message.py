"""Messages and events: what entities are told, and what they remember. Frozen, typed, tagged on the wire.

A tag is `kind.name` and is never renamed. Fields are only ever added, with defaults, so that older peers and stored
events still decode.
"""

from typing import Annotated, Any, Generic, TypeVar, get_args

from msgspec import Meta, Struct

Reply = TypeVar("Reply")


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Anything that a mailbox takes. `idempotency_key` makes a repeat safe: the first reply is given again."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class Tell(Message, frozen=True, kw_only=True):
    """A message that wants no answer."""


class Ask(Message, Generic[Reply], frozen=True, kw_only=True):
    """A message whose answer has the type `Reply`."""


class Done(Struct, frozen=True):
    """The empty reply, `{}`: it was done and there is nothing to add."""


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A durable fact in the past tense; the only thing that changes an entity's durable state, through `apply`."""


def reply_type(message: type[Message]) -> Any:
    """The `R` of a message class that derives from `Ask[R]`; None for a Tell."""
    for cls in message.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            if getattr(base, "__origin__", None) is Ask:
                return get_args(base)[0]
    return None


def tag_of(message: type[Struct]) -> str:
    """The wire name of a message or event class."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str), f"{message.__qualname__} needs tag='kind.name'"
    return tag
