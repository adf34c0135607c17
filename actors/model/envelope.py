"""The envelope: a message on its way, with who sent it, where the answer goes and how long it is worth handling.

A bare `Tell` between actors travels without one: it has no answer, no deadline and no principal but Greenroom itself.
"""

import math
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
import trio
from msgspec import NODEFAULT, Raw, Struct
from msgspec.structs import replace

from greenroom.actors.model.errors import ActorError, MalformedCommand
from greenroom.actors.model.message import Message, ReplySlot
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.store.journal.dead_letters import DeadLetter

encode = msgspec.json.encode
reschedule = trio.lowlevel.reschedule
LEVELS_MAX = 200  # lists, objects and structs within one another, of a command with an idempotency key


def own_command_id(principal: Principal, idempotency_key: str) -> str | None:
    """A client's idempotency key as the entity keeps it: two senders who choose the same key don't meet.

    A user's key counts on all of their devices, one of the anonymous on their connection. None for the anonymous who
    have no connection (HTTP): nothing tells one from the next, who would be given the answer to the other's command, so
    their keys are not remembered.
    """
    if principal.user:
        return _command_id("user", principal.user, idempotency_key)
    if principal.system:
        return _command_id("system", "", idempotency_key)
    return _command_id("client", principal.client, idempotency_key) if principal.client else None


def asker_command_id(asker: str, idempotency_key: str) -> str:
    """Likewise of an entity that asks."""
    return _command_id("entity", asker, idempotency_key)


def _command_id(what: str, name: str, idempotency_key: str) -> str:
    """With the name's length, since names and keys hold any character: `ann` + `x y` is not `ann x` + `y`."""
    return f"{what} {len(name)} {name} {idempotency_key}"


def digest_of(message: Message) -> int:
    """Of a command's type and fields, its idempotency key left out: is a repeat the same command? 64 bits, signed.

    Fields that have their defaults count as not there: to a release that adds some, a repeat is the same command still.
    Sets and objects are without order, here as in JSON: each process goes through a set in an order of its own.
    Raises: MalformedCommand when lists, objects and structs are nested in it more than LEVELS_MAX deep.
    """
    if message.idempotency_key is not None:
        message = replace(message, idempotency_key=None)
    spoken = encode(_spoken(message, LEVELS_MAX))
    return int.from_bytes(blake2b(spoken, digest_size=8).digest(), "big", signed=True)


def _spoken(value: object, levels: int) -> object:
    """`value` as plain data, without what has its default; of so many levels at most. Raises: MalformedCommand."""
    if not levels:  # not left to the interpreter's own bound, which each release of Python has elsewhere
        raise MalformedCommand("nested too deeply for a command with an idempotency key")
    levels -= 1
    if isinstance(value, Struct):
        config = value.__struct_config__
        spoken = {
            field.name: _spoken(present, levels)
            for field in _fields(type(value))
            if (present := getattr(value, field.name)) != field.default
            and (field.default_factory is NODEFAULT or present != field.default_factory())
        }
        return [config.tag, spoken]
    if isinstance(value, (list, tuple)):
        return [_spoken(one, levels) for one in value]
    if isinstance(value, dict):
        return {key: _spoken(value[key], levels) for key in sorted(value, key=str)}
    if isinstance(value, (set, frozenset)):  # whose members need not have an order among themselves
        return [Raw(one) for one in sorted(encode(_spoken(one, levels)) for one in value)]
    if is_dataclass(value):
        return {field.name: _spoken(getattr(value, field.name), levels) for field in fields(value)}
    return value


_fields = cache(msgspec.structs.fields)  # message class -> its fields


class Origin(Struct, frozen=True, gc=False):
    """The envelope comes from the outbox of another entity."""

    sender: int  # its head's id
    seq: int
    entity: str
    about: str = ""  # not empty: it wants to be told what becomes of this
    after: int = 0  # the message that it was sent behind: one that overtook that would have it dropped
    lineage: str = ""  # the database's history, in which what caused it is durable


class Firing(Struct, frozen=True, gc=False):
    """The envelope is the message of a durable timer that is due."""

    name: str
    due_ms: int


class Envelope(Struct, gc=False):
    """`gc=False`: nothing that it leads to leads back to it, and there are many."""

    message: Message
    principal: Principal = SYSTEM
    slot: ReplySlot | None = None
    deadline: float = math.inf  # trio clock
    command_id: str | None = None
    digest: int | None = None  # what `digest_of` makes of it, where there is a command id
    source: Origin | Firing | None = None  # set where the effects are to happen once: neither a client's nor an ask
    failure: DeadLetter | None = None  # it has killed the actor too often: what is left to do is to say so
    chain: tuple[str, ...] = ()  # entities whose asks wait for this one, outermost first
    trace: str | None = None  # W3C traceparent
    size: int = 0  # bytes on the wire, what the mailbox counts
    queued_at: float = 0.0  # trio clock
    strikes: int = 0  # how often handling this message has killed the actor
    # Its sender has never told this entity anything else, and this was not sent before; told at that serial of the
    # node's turn. 0: nobody can say. See Life.
    first_at: int = 0
    rested: int = 0  # its number among those of its cell that could not reach the store: see Again. 0: it is none

    @property
    def is_command(self) -> bool:
        """Of a client, who is told what becomes of it, and can come again."""
        return self.slot is not None and self.source is None and not self.chain and not self.principal.system

    @classmethod
    def command(
        cls,
        message: Message,
        principal: Principal,
        slot: "ReplySlot",
        *,
        now: float,
        deadline: float,
        idempotency_key: str | None = None,
        trace: str | None = None,
        size: int = 0,
    ) -> "Envelope":
        """A client's command, sent `now` and worth handling until `deadline`, both on the trio clock. `idempotency_key`
        is the client's own; `size` in bytes. Raises: MalformedCommand, see `digest_of`."""
        command_id = own_command_id(principal, idempotency_key) if idempotency_key is not None else None
        return cls(
            message=message,
            principal=principal,
            slot=slot,
            deadline=deadline,
            command_id=command_id,
            digest=digest_of(message) if command_id is not None else None,
            trace=trace,
            size=size,
            queued_at=now,
        )


class TaskSlot:
    """The slot of a trio task that waits for the answer."""

    # It is its own `outcome.Outcome` for trio, which only calls `unwrap`: making a real one costs half a microsecond.
    __slots__ = ("_error", "_reply", "_task")

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None
        self._reply: object = None
        self._error: ActorError | None = None

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        task = self._task
        if task is not None:
            self._reply = reply
            self._task = None
            reschedule(task, self)  # type: ignore[arg-type]

    def reject(self, error: ActorError) -> None:
        task = self._task
        if task is not None:
            self._error = error
            self._task = None
            reschedule(task, self)  # type: ignore[arg-type]

    def unwrap(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._reply

    async def wait(self) -> Any:
        """The answer. Cancelled, the answer is dropped when it comes; the message may still be handled."""
        self._task = trio.lowlevel.current_task()
        return await trio.lowlevel.wait_task_rescheduled(self._abandon)

    def _abandon(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
