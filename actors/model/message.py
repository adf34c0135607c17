"""Messages and events: what entities are told, and what they remember. Frozen, typed, tagged on the wire.

    class Clap(Ask[Total], tag="applause.clap"):
        times: int = 1

Every one is frozen and made with its fields by name, `Clap(times=3)`, without saying so: a field added later in the
middle changes no call. A tag is `kind.name` and is never renamed. Fields are only ever added, with defaults, so that
older peers and stored events still decode.
"""

from typing import Annotated, Any, Generic, Protocol, TypeVar, dataclass_transform, get_args

import msgspec
from msgspec import Meta, Struct, StructMeta, field

from greenroom.actors.model.errors import ActorError

Reply = TypeVar("Reply")

# Of a field's pattern: `$` would let a newline stand at the end; and what OpenAPI shows is no Python, so no `\Z`
# either.
END = r"(?![\s\S])"


class FrozenByName(StructMeta):
    """Makes every subclass frozen with fields given by name: msgspec lets a class inherit the first, not the second.

    Python before 3.12 makes an instance of such a class a fifth of a microsecond slower; decoding costs the same.
    `msgspec.defstruct` makes no such classes; `FrozenByName(name, bases, namespace, tag=...)` does.
    """

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        frozen: bool = True,
        kw_only: bool = True,
        **config: Any,
    ) -> "FrozenByName":
        return super().__new__(mcls, name, bases, namespace, frozen=frozen, kw_only=kw_only, **config)


# `dataclass_transform` tells type checkers of the subclasses what the metaclass does. A class that bears it is itself
# still read as any Struct, hence its own `frozen` and `kw_only`.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Message(Struct, metaclass=FrozenByName, frozen=True, kw_only=True, tag_field="type"):
    """Anything that a mailbox takes. `idempotency_key` makes a repeat safe: the first reply is given again."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class Tell(Message):
    """A message that wants no answer."""


class Ask(Message, Generic[Reply]):
    """A message whose answer has the type `Reply`."""


class Done(Struct, frozen=True):
    """The empty reply, `{}`: it was done and there is nothing to add."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Event(Struct, metaclass=FrozenByName, frozen=True, kw_only=True, tag_field="type"):
    """A durable fact in the past tense; the only thing that changes an entity's durable state, through `apply`."""


def reply_type(message: type[Message]) -> Any:
    """The `R` of a message class that derives from `Ask[R]`; None for a Tell."""
    for cls in message.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            if getattr(base, "__origin__", None) is Ask:
                return get_args(base)[0]
    return None


def decoded_reply(message: Message, reply: bytes) -> object:
    """The JSON `reply` to `message` as the type that it promises; as plain data where it is not of that type, which may
    have changed since. Raises: msgspec.DecodeError when it is no JSON."""
    try:
        return msgspec.json.decode(reply, type=reply_type(type(message)) or Done)
    except (msgspec.ValidationError, TypeError):  # the latter where the type is none that can be decoded
        return msgspec.json.decode(reply)


def tag_of(message: type[Struct]) -> str:
    """The wire name of a message or event class."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str), f"{message.__qualname__} needs tag='kind.name'"
    return tag


class ReplySlot(Protocol):
    """Where the answer of one message goes. Called at most once, from a sync stretch; must not raise."""

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        """`encoded` is the reply as JSON where that exists already (a repeated command has nothing else)."""

    def reject(self, error: ActorError) -> None: ...


class Later:
    """What `handle` returns in place of the reply: whoever asked waits until `Actor.answer` gives it.

    In memory alone. Whose life ends before hears `unavailable`, and may ask again: nothing of it has been answered.
    A message that is answered later is not remembered by its idempotency key.
    """

    __slots__ = ("_open", "_slot")

    def __init__(self) -> None:
        self._slot: ReplySlot | None = None
        self._open: dict[Later, None] | None = None

    def wait(self, slot: ReplySlot | None, among: "dict[Later, None]") -> None:
        """Of the life that handled the message: here is where the answer goes. It is `among` those that wait."""
        self._slot = slot
        self._open = among
        among[self] = None

    # It is a ReplySlot: the answer departs as any other does, behind what must be durable before.

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        slot = self._take()
        if slot is not None:
            slot.resolve(reply, encoded)

    def reject(self, error: ActorError) -> None:
        slot = self._take()
        if slot is not None:
            slot.reject(error)

    def _take(self) -> ReplySlot | None:
        slot, self._slot = self._slot, None
        if self._open is not None:
            self._open.pop(self, None)
            self._open = None
        return slot
