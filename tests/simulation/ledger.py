"""An entity made to be doubted: what was recorded, how often and in which order is its whole state."""

from random import Random
from typing import Any

from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.message import Ask, Event, Message, Tell
from greenroom.testing import Scenario, Work


class Added(Event, tag="ledger.added"):
    token: str
    of: int = 1  # of how many with the same command
    number: int = 1
    note: str = ""  # makes a slow reader's queue grow


class Add(Ask[int], tag="ledger.add"):
    """Record `token` in `times` events; the reply is the last one's offset."""

    token: str
    times: int = 1
    note: str = ""


class Drop(Tell, tag="ledger.drop"):
    """As Add, without an answer to wait for."""

    token: str


class Fumble(Ask[int], tag="ledger.fumble"):
    """As Add, by a handler that raises one time out of three, after it has recorded."""

    token: str


class Counted(Struct, frozen=True):
    token: str  # of whoever asked
    offset: int


class Count(Ask[Counted], tag="ledger.count"):
    """How many events there are; records nothing."""

    token: str


class LedgerState(Struct):
    tokens: dict[str, int] = field(default_factory=dict)  # in the order in which they came
    digest: int = 0


class Ledger(Actor[LedgerState]):
    kind = "ledger"
    commands = (Add, Drop, Fumble, Count)
    events = (Added,)
    limits = KindLimits(mailbox_messages=32, idle_s=15.0, history_events=60, snapshot_every=25, command_ids_s=3600.0)

    def handle(self, message: Message) -> Any:
        match message:
            case Add():
                for number in range(1, message.times + 1):
                    self.record(Added(token=message.token, of=message.times, number=number, note=message.note))
                return self.offset
            case Drop():
                self.record(Added(token=message.token))
            case Fumble():
                self.record(Added(token=message.token))
                if int(self.now * 1000) % 3 == 0:
                    raise ZeroDivisionError("fumbled")
                return self.offset
            case Count():
                return Counted(message.token, self.offset)

    def apply(self, event: Added) -> None:
        tokens = self.state.tokens
        tokens[event.token] = tokens.get(event.token, 0) + 1
        if len(tokens) > 40:
            del tokens[next(iter(tokens))]
        self.state.digest = (self.state.digest * 31 + self.offset * len(event.token)) % (1 << 61)

    def view(self) -> Any:
        return {"count": len(self.state.tokens), "offset": self.offset}


READING = 0.1  # share of commands that record nothing


class Tokens:
    """Never the same twice in a world."""

    def __init__(self, channels: tuple[str, ...], *, reading: float = READING) -> None:
        """`reading`: the share of commands that record nothing."""
        self.next = 0
        self._channels = channels
        self._reading = reading

    def __call__(self, draw: Random, user: str) -> Work:
        self.next += 1
        token = f"{user}-{self.next}"
        entity = draw.choice(self._channels)
        if self._reading > READING and draw.random() < self._reading:
            return Work(entity, Count(token=token))
        chance = draw.random()
        if chance < 0.6:
            return Work(entity, Add(token=token, note="." * draw.choice((0, 0, 0, 4000))), f"{token} 1")
        if chance < 0.75:
            times = draw.randint(2, 3)
            return Work(entity, Add(token=token, times=times), f"{token} {times}")
        if chance < 0.85:
            return Work(entity, Drop(token=token), f"{token} 1")
        if chance < 0.9:
            return Work(entity, Fumble(token=token), f"{token} 1")
        return Work(entity, Count(token=token))


def reads(message: Message, reply: Any) -> int | None:
    match message:
        case Count(token=token):
            assert isinstance(reply, dict) and reply.get("token") == token, f"{token} is answered {reply}"
            return int(reply["offset"])
        case Add(token=token) | Fumble(token=token):
            assert isinstance(reply, int), f"{token} is answered {reply}"
            return reply
    return None


def mark(event: Any) -> str:
    return f"{event['token']} {event['number']}"


def ledgers(entities: int = 3, *, reading: float = READING, **how: Any) -> Scenario:
    channels = tuple(f"ledger:{number}" for number in range(1, entities + 1))
    return Scenario(
        kinds=(Ledger,),
        channels=channels,
        work=Tokens(channels, reading=reading),
        records=lambda message: not isinstance(message, Count),
        reads=reads,
        mark=mark,
        **how,
    )
