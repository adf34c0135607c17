"""Dead letters: messages that could not be handled, kept with the reason until somebody decides what to do.

Two implementations, `dead_letters_postgres.py` and `dead_letters_memory.py`, under one suite of tests.
"""

import traceback
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from greenroom.config.telemetry.shown import shown

PAYLOAD_BYTES_MAX = 1 << 20
TEXT_CHARACTERS_MAX = 16_384
SAID_CHARACTERS_MAX = TEXT_CHARACTERS_MAX // 2  # of the error, where something is said behind it
RETRY = "\0dead-letters "  # how the command id of a retry begins; no user's does, and no entity's


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message that was given up, with why: what is kept of it until somebody decides."""

    entity: str
    message_type: str  # the message's tag
    payload: bytes  # the message as JSON; b"" where it can't be
    principal: str  # user id of whoever sent it; "" for Greenroom itself
    error: str
    traceback: str
    trace: str | None = None  # W3C traceparent; "" from a store that knows none
    strikes: int = 0  # how often handling it has killed the actor
    at_ms: int = 0  # Unix ms, put by the store
    id: int = 0  # put by the store
    wished: bool = False  # somebody wants it handled once more

    @classmethod
    def of(
        cls, entity: str, message: Struct, principal: str, error: BaseException, trace: str | None, strikes: int
    ) -> "DeadLetter":
        """A message that JSON has no words for leaves an empty payload, and why behind the error: the end of a message
        must not fail in its turn."""
        tag = message.__struct_config__.tag
        text = "".join(traceback.format_exception(error))
        said = shown(error)
        payload = b""
        try:
            payload = msgspec.json.encode(message)
        except Exception as unfit:  # the entity's own types may raise anything; an internal message is never on a wire
            said = f"{said[:SAID_CHARACTERS_MAX]}; its fields can't be kept: {shown(unfit)}"
        return cls(
            entity=entity,
            message_type=tag if isinstance(tag, str) else type(message).__name__,
            payload=payload[:PAYLOAD_BYTES_MAX],
            principal=principal,
            error=said[:TEXT_CHARACTERS_MAX],
            traceback=text[-TEXT_CHARACTERS_MAX:],
            trace=trace,
            strikes=strikes,
        )

    @property
    def weight(self) -> int:
        """Bytes, about."""
        return len(self.payload) + len(self.error) + len(self.traceback) + len(self.entity)


def retry_id(letter: DeadLetter) -> str:
    """The command id of a retry. One that crashed the entity again has another time, and its next retry another id."""
    return f"{RETRY}{letter.id} {letter.at_ms}"


def retried(command_id: str | None) -> int:
    """The number of the letter that a command retries, 0 when it is no retry."""
    return int(command_id.removeprefix(RETRY).split()[0]) if command_id and command_id.startswith(RETRY) else 0


class Which(Struct, frozen=True, kw_only=True):
    """Some letters: those for which every condition holds that is given. Nothing given: all."""

    ids: tuple[int, ...] = ()
    entity: str = ""
    kind: str = ""
    message_type: str = ""

    def has(self, letter: DeadLetter) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and self.entity in ("", letter.entity)
            and (not self.kind or letter.entity.startswith(f"{self.kind}:"))
            and self.message_type in ("", letter.message_type)
        )


ALL = Which()


class Census(Struct, frozen=True, kw_only=True):
    """How many there are, and what has come since somebody looked last."""

    stored: int
    last_id: int  # the newest letter's number, 0 when there is none
    since: int = 0  # newer than the id asked for
    minute: int = 0  # how many came in the last minute, by the store's clock
    common: tuple[str, str, int] | None = None  # kind, message type and number of the most frequent of `since`


class DeadLetters(Protocol):
    """Those of all entities."""

    async def add(self, letter: DeadLetter, *, key: int | None = None) -> None:
        """Keep one; a letter with an `id` replaces the one it is, strikes added up.

        The same once more under the same `key`, 63 bits, changes nothing: so it may be added again by whoever does not
        know whether it was. Raises: StoreUnavailable, which says nothing of that.
        """

    async def list(self, *, limit: int, before: int | None = None, which: Which = ALL) -> Sequence[DeadLetter]:
        """The newest first; `before` is the id to go on from. Raises: StoreUnavailable."""

    async def get(self, number: int) -> DeadLetter | None:
        """Raises: StoreUnavailable."""

    async def drop(self, which: Which) -> int:
        """Forget them; how many there were. Raises: StoreUnavailable."""

    async def wish(self, which: Which) -> Sequence[int]:
        """Let a running node handle them once more; their ids, oldest first. Raises: StoreUnavailable."""

    async def wished(self, *, limit: int, shards: Collection[int] | None = None) -> Sequence[DeadLetter]:
        """The oldest of those whose entities are on these shards (None: of all). Raises: StoreUnavailable."""

    async def refused(self, number: int, error: str = "") -> None:
        """It was handled once more, in vain; with the new error, if there is one. Raises: StoreUnavailable."""

    async def census(self, *, after: int) -> Census:
        """What there is now. The oldest go where there are too many. Raises: StoreUnavailable."""
