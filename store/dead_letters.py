"""Dead letters: messages that could not be handled, kept with the reason until somebody decides what to do.

Two implementations, `dead_letters_postgres.py` and `dead_letters_memory.py`, under one suite of tests.
"""

import traceback
from typing import Protocol

import msgspec
from msgspec import Struct

PAYLOAD_BYTES_MAX = 1 << 20
TEXT_CHARACTERS_MAX = 16_384


class DeadLetter(Struct, frozen=True, kw_only=True):
    entity: str
    message_type: str  # the message's tag
    payload: bytes  # the message as JSON
    principal: str  # user id of whoever sent it; "" for Greenroom itself
    error: str
    traceback: str
    trace: str | None = None  # W3C traceparent; "" from a store that knows none
    strikes: int = 0  # how often handling it has killed the actor
    at_ms: int = 0  # Unix ms, put by the store
    id: int = 0  # put by the store

    @classmethod
    def of(
        cls, entity: str, message: Struct, principal: str, error: BaseException, trace: str | None, strikes: int
    ) -> "DeadLetter":
        tag = message.__struct_config__.tag
        text = "".join(traceback.format_exception(error))
        return cls(
            entity=entity,
            message_type=tag if isinstance(tag, str) else type(message).__name__,
            payload=msgspec.json.encode(message)[:PAYLOAD_BYTES_MAX],
            principal=principal,
            error=repr(error)[:TEXT_CHARACTERS_MAX],
            traceback=text[-TEXT_CHARACTERS_MAX:],
            trace=trace,
            strikes=strikes,
        )


class DeadLetters(Protocol):
    async def add(self, letter: DeadLetter) -> None:
        """Keep one. Raises: StoreUnavailable."""

    async def list(self, *, limit: int, before: int | None = None) -> "list[DeadLetter]":
        """The newest first; `before` is the id to go on from. Raises: StoreUnavailable."""

    async def get(self, number: int) -> DeadLetter | None:
        """Raises: StoreUnavailable."""

    async def drop(self, number: int) -> bool:
        """False when there is none. Raises: StoreUnavailable."""
