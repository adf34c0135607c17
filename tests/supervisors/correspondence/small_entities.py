"""The entities of a small cluster: talks and what is said to them, presences, and one that is slow."""

from typing import Any, ClassVar

import msgspec
import trio
from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import ActorError, InvalidCommand, Overloaded, Refused
from greenroom.actors.model.message import Ask, Done, Event, Message, Tell
from greenroom.actors.model.principal import Principal

ANN = Principal(user="ann", client="ann-1", info=b'{"user":"ann"}')
BOB = Principal(user="bob", client="bob-1")


def named(name: str) -> Principal:
    """A user on one device, who is shown to others."""
    return Principal(user=name, client=f"{name}-1", info=msgspec.json.encode({"user": name}))


class Said(Event, tag="talk.said"):
    text: str


class Say(Ask[int], tag="talk.say"):
    """The reply is the offset."""

    text: str


class Heard(Tell, tag="talk.heard"):
    text: str


class Poke(Tell, tag="talk.poke"):
    """A nudge."""

    text: str


class Typing(Ask[Done], tag="talk.typing"):
    pass


class Types(Struct, tag="talk.types", tag_field="type"):
    pass


class Put(Ask[Done], tag="talk.put"):
    """Put a user out, everywhere."""

    user: str
    everywhere: bool = False


class Shut(Ask[Done], tag="talk.shut"):
    """Put a user out until it sleeps, which no event says."""

    user: str


class Refuse(Ask[Done], tag="talk.refuse"):
    how: str


class Slow(Ask[str], tag="slow.slow"):
    seconds: float


class Through(Ask[int], tag="slow.through"):
    """Ask another to say something."""

    entity: str
    text: str


class Meet(Ask[str], tag="slow.meet"):
    """After a while ask another slow one, as long as that takes."""

    entity: str


class Pass(Ask[Done], tag="talk.pass"):
    """Tell another, durably."""

    entity: str
    text: str


class Texts(Struct):
    texts: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)


class WasPut(Event, tag="talk.was_put"):
    user: str


class Banned(Refused):
    """A refusal of the entity's own class."""


class Talk(Actor[Texts]):
    kind = "talk"
    commands: ClassVar[tuple[type[Message], ...]] = (Say, Heard, Typing, Put, Shut, Refuse, Pass)
    internal: ClassVar[tuple[type[Message], ...]] = (Poke,)
    events: ClassVar[tuple[type[Event], ...]] = (Said, WasPut)
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (Types,)

    def __init__(self, entity: str, runtime: Any) -> None:
        super().__init__(entity, runtime)
        self.shut: set[str] = set()
        self.pokes: list[str] = []
        self.traces: list[str | None] = []  # of which what it has handled was a part

    def handle(self, message: Message) -> Any:
        self.traces.append(self.trace)
        match message:
            case Poke():
                self.pokes.append(message.text)
            case Say() | Heard():
                return self.record(Said(text=message.text))
            case Typing():
                self.publish(Types(), key="typing")
                return Done()
            case Put():
                self.record(WasPut(user=message.user))
                self.kick(
                    2100 if not message.everywhere else 4501, "out", user=message.user, everywhere=message.everywhere
                )
                return Done()
            case Shut():
                self.shut.add(message.user)
                self.kick(2100, "out", user=message.user)
                return Done()
            case Pass():
                self.record(Said(text="passed"))
                self.tell(message.entity, Heard(text=message.text))
                return Done()
            case Refuse():
                match message.how:
                    case "own":
                        raise Banned("talk.banned", "for good reason", status=403)
                    case "busy":
                        raise Refused("talk.busy", "slowly", status=429)
                    case "invalid":
                        raise InvalidCommand("Expected `int`, got `str` - at `$.a.b`")
                    case "overloaded":
                        raise Overloaded("5 wait")
                    case "none":
                        raise ActorError("hm")
                raise ZeroDivisionError("boom")

    def apply(self, event: Event) -> None:
        match event:
            case Said():
                self.state.texts.append(event.text)
            case WasPut():
                self.state.out.append(event.user)

    def may_watch(self) -> None:
        if self.principal.user in self.state.out or self.principal.user in self.shut:
            raise Refused("talk.out", "you are out")

    def view(self) -> Any:
        return {"texts": self.state.texts, "watching": sorted(who.client for who in self.audience)}


class Announced(Event, tag="hall.announced"):
    text: str


class Announce(Ask[int], tag="hall.announce"):
    """The reply is the offset."""

    text: str


class Hall(Actor[Texts]):
    """Of whose view its audience is no part: there may be very many."""

    kind = "hall"
    commands = (Announce,)
    events = (Announced,)

    def handle(self, message: Message) -> Any:
        assert isinstance(message, Announce)
        return self.record(Announced(text=message.text))

    def apply(self, event: Event) -> None:
        assert isinstance(event, Announced)
        self.state.texts.append(event.text)

    def view(self) -> Any:
        return len(self.state.texts)


class Present(Actor[Texts]):
    """Is told who watches it."""

    kind = "present"
    durable = False

    def __init__(self, entity: str, runtime: Any) -> None:
        super().__init__(entity, runtime)
        self.seen: list[tuple[str, bool, int]] = []

    def audience_changed(self, who: Principal, joined: bool) -> None:
        self.seen.append((who.client, joined, len(self.audience)))

    def handle(self, message: Message) -> Any:
        raise NotImplementedError

    def view(self) -> Any:
        return self.seen


class SlowOne(Actor[Texts]):
    kind = "slow"
    commands = (Slow, Through, Meet)
    durable = False
    limits = KindLimits(async_handler_s=1000.0)

    async def handle(self, message: Message) -> Any:
        match message:
            case Slow(seconds=seconds):
                await trio.sleep(seconds)
                return f"{seconds}"
            case Through():
                return await self.ask(message.entity, Say(text=message.text))
            case Meet():
                await trio.sleep(0.1)
                return await self.ask(message.entity, Slow(seconds=0.0))

    def view(self) -> Any:
        return {}
