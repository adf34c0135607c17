"""Outgoing messages: what one entity tells another, as it lies in the outbox until it has been handled.

Each has a sequence number, which rises with everything that its sender ever sends. A receiver keeps the highest it has
handled of each sender, and drops what is not above that. So order must hold for each pair of entities: a message that
overtook an earlier one would have that dropped.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

NUMBER_BITS = 16
NUMBERS_MAX = 1 << NUMBER_BITS  # messages that one handling may send


class Outgoing(Struct, frozen=True, array_like=True, gc=False):
    """One message in an outbox row."""

    seq: int
    entity: str  # the receiver
    message: Raw  # JSON with its "type"
    about: str = ""  # the sender wants to be told what became of it, under this label
    trace: str | None = None  # W3C traceparent


_decode = msgspec.json.Decoder(list[Outgoing]).decode


def sequence(offset: int, number: int) -> int:
    """The sequence number of the `number`th message (from 0) that left with the event at this position."""
    assert number < NUMBERS_MAX, f"more than {NUMBERS_MAX} messages at once"
    return offset << NUMBER_BITS | number


def encode_body(messages: Sequence[Outgoing]) -> bytes:
    return msgspec.json.encode(messages)


def decode_body(body: bytes) -> list[Outgoing]:
    """Raises: msgspec.DecodeError."""
    return _decode(body)
