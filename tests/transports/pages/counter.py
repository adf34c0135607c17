"""A kind with all that documents tell of: commands, an event, and a publication that shares a command's name."""

from typing import Any

from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Ask, Event, Message, Tell


class Total(Struct, frozen=True):
    total: int


class Add(Ask[Total], tag="counter.add"):
    """Add to the counter.

    <b>Not</b> markup.
    """

    amount: int
    note: str | None = None


class Wave(Tell, tag="counter.wave"):
    pass


class Added(Event, tag="counter.added"):
    """It was added."""

    amount: int


class Waved(Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.wave"):
    """Shares its wire name with the command."""

    user: str


class CounterState(Struct):
    pass


class Counter(Actor[CounterState]):
    """Counts <script>alert(1)</script>."""

    kind = "counter"
    commands = (Add, Wave)
    events = (Added,)
    ephemerals = (Waved,)

    def handle(self, message: Message) -> Any: ...
    def apply(self, event: Event) -> None: ...

    def view(self) -> Any:
        return {}


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        schema = found
    return schema
