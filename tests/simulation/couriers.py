"""Post offices that send one another parcels, report on them, and have clocks that chime: effects between entities.

A parcel says what its receiver is to make of it. All chance lies in the messages, or in the milliseconds of a clock.
"""

from random import Random
from typing import Any, Literal

import trio
from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Event, Message, Tell
from greenroom.testing import Scenario, Work
from tests.simulation.courier_audit import CourierAudit

OFFICES = tuple(f"office:{number}" for number in range(1, 6))
KEPT = 60

# What becomes of a parcel: it is kept, first refused for now at some moments, refused for good, kills its receiver
# always or at some moments, leaves no event, takes a while, or is sent on.
Fate = Literal["keep", "busy", "never", "poison", "stumble", "silent", "slow", "on"]
# What a clock's chime does: record, record nothing, be refused for now at some moments, fail, tell another office, set
# the same clock anew, or stop it.
Deed = Literal["record", "nothing", "busy", "fail", "tell", "again", "stop"]


class Parcel(Struct, frozen=True):
    token: str
    to: str
    fate: Fate = "keep"
    report: bool = False


class Clock(Struct, frozen=True):
    name: str
    token: str
    deed: Deed
    after: float | None = None
    every: float | None = None
    cron: str | None = None  # `*/n * * * *`
    missed: Literal["last", "all", "skip"] = "last"
    to: str = ""  # whom a chime tells


class Sent(Event, tag="office.sent"):
    token: str
    parcels: list[Parcel]


class Got(Event, tag="office.got"):
    token: str


class Reported(Event, tag="office.reported"):
    token: str
    by: str
    well: bool


class Wound(Event, tag="office.wound"):
    clock: Clock


class Halted(Event, tag="office.halted"):
    token: str
    name: str


class Chimed(Event, tag="office.chimed"):
    token: str
    due_ms: int


class Send(Ask[int], tag="office.send"):
    token: str
    parcels: list[Parcel]


class Whisper(Ask[int], tag="office.whisper"):
    """As Send, and records nothing of its own."""

    parcels: list[Parcel]


class Wind(Ask[int], tag="office.wind"):
    """Set a clock, or move it."""

    clock: Clock


class Halt(Ask[int], tag="office.halt"):
    token: str
    name: str


class Deliver(Tell, tag="office.deliver"):
    parcel: Parcel


class Chime(Tell, tag="office.chime"):
    clock: Clock


class OfficeState(Struct):
    log: dict[str, int] = field(default_factory=dict)  # what happened, in the order in which it did
    clocks: dict[str, str] = field(default_factory=dict)
    digest: int = 0


class Office(Actor[OfficeState]):
    kind = "office"
    commands = (Send, Whisper, Wind, Halt)
    internal = (Deliver, Chime)
    events = (Sent, Got, Reported, Wound, Halted, Chimed)
    limits = KindLimits(
        mailbox_messages=32,
        idle_s=12.0,
        history_events=60,
        snapshot_every=25,
        command_ids_s=3600.0,
        async_handler_s=3.0,
    )

    def handle(self, message: Message) -> Any:
        match message:
            case Send():
                self.record(Sent(token=message.token, parcels=message.parcels))
                self._send(message.parcels)
            case Whisper():
                self._send(message.parcels)
            case Wind():
                self._wind(message.clock)
            case Halt():
                self.record(Halted(token=message.token, name=message.name))
                self.cancel_timer(message.name)
            case Deliver(parcel=parcel):
                return self._take(parcel)
            case Chime(clock=clock):
                self._chime(clock)
            case Answered():
                self._refuse_at_times(7)
                self.record(Reported(token=message.about, by=message.entity, well=True))
            case Undelivered():
                self.record(Reported(token=message.about, by=message.entity, well=False))
        return self.offset

    def _refuse_at_times(self, of: int) -> None:
        if int(self.now * 1000) % of == 0:
            raise Refused("office.busy", status=429)

    def _send(self, parcels: list[Parcel]) -> None:
        for parcel in parcels:
            self.tell(parcel.to, Deliver(parcel=parcel), about=parcel.token if parcel.report else "")

    def _take(self, parcel: Parcel) -> Any:
        match parcel.fate:
            case "busy":
                if int(self.now * 1000) % 3:
                    raise Refused("office.busy", status=429)
            case "never":
                raise Refused("office.unwanted", status=409)
            case "poison":
                raise ZeroDivisionError("poison")
            case "silent":
                return 0
            case "slow":
                return self._take_slowly(parcel)
        self.record(Got(token=parcel.token))
        if parcel.fate == "stumble" and int(self.now * 1000) % 2:
            raise ZeroDivisionError("stumbled")
        if parcel.fate == "on":
            next_office = OFFICES[len(parcel.token) % len(OFFICES)]
            self._send([Parcel(f"{parcel.token}+", next_office, report=parcel.report)])
        return self.offset

    async def _take_slowly(self, parcel: Parcel) -> int:
        await trio.sleep(len(parcel.token) % 4 * 0.2)
        self.record(Got(token=parcel.token))
        return self.offset

    def _wind(self, clock: Clock) -> None:
        self.record(Wound(clock=clock))
        self.set_timer(
            clock.name,
            Chime(clock=clock),
            after=clock.after,
            every=clock.every,
            cron=clock.cron,
            missed=clock.missed,
        )

    def _chime(self, clock: Clock) -> None:
        fired = self.fired
        assert fired is not None and fired.name == clock.name
        due_ms = round(fired.due_s * 1000)
        match clock.deed:
            case "nothing":
                return
            case "fail":
                raise ZeroDivisionError("a clock that fails")
            case "busy":
                self._refuse_at_times(3)
        self.record(Chimed(token=clock.token, due_ms=due_ms))
        match clock.deed:
            case "tell":
                self._send([Parcel(f"{clock.token} {due_ms}", clock.to, report=True)])
            case "again" if len(clock.token) < 20:
                self._wind(Clock(clock.name, f"{clock.token}+", "again", after=1.0, missed=clock.missed))
            case "stop":
                self.record(Halted(token=f"{clock.token} stops", name=clock.name))
                self.cancel_timer(clock.name)

    def apply(self, event: Event) -> None:
        state = self.state
        match event:
            case Wound(clock=clock):
                state.clocks[clock.name] = clock.token
            case Halted():
                state.clocks.pop(event.name, None)
            case _:
                token: str = event.token  # type: ignore[attr-defined]
                state.log[token] = self.offset
                if len(state.log) > KEPT:
                    del state.log[next(iter(state.log))]
        state.digest = (state.digest * 31 + self.offset) % (1 << 61)

    def view(self) -> Any:
        return {"log": len(self.state.log), "clocks": len(self.state.clocks)}


FATES: tuple[Fate, ...] = (*("keep",) * 8, *("busy",) * 3, "never", "poison", "stumble", "silent", "slow", "on", "on")
CLOCKS = ("one", "two")


class Errands:
    """Never the same token twice in a world."""

    def __init__(self) -> None:
        self._next = 0

    def _token(self, user: str) -> str:
        self._next += 1
        return f"{user}-{self._next}"

    def __call__(self, draw: Random, user: str) -> Work:
        office = draw.choice(OFFICES)
        chance = draw.random()
        token = self._token(user)
        if chance < 0.7:
            receivers = [draw.choice(OFFICES) for _ in range(draw.randint(1, 3))]
            parcels = [
                Parcel(self._token(user), to, draw.choice(FATES), report=draw.random() < 0.4)
                for to in receivers
                for _ in range(draw.choice((1, 1, 2)))
            ]
            if chance < 0.1:
                return Work(office, Whisper(parcels=parcels))
            return Work(office, Send(token=token, parcels=parcels), token)
        name = draw.choice(CLOCKS)
        if chance < 0.75:
            return Work(office, Halt(token=token, name=name), token)
        return Work(office, Wind(clock=self._clock(draw, name, token)), token)

    def _clock(self, draw: Random, name: str, token: str) -> Clock:
        deed: Deed = draw.choice(("record", "record", "record", "nothing", "busy", "fail", "tell", "again", "stop"))
        missed: Literal["last", "all", "skip"] = draw.choice(("last", "all", "skip"))
        after = round(draw.uniform(0.0, 40.0), 3)
        to = draw.choice(OFFICES)
        chance = draw.random()
        if chance < 0.5 or deed in ("fail", "again"):
            return Clock(name, token, deed, after=after, missed=missed, to=to)
        if chance < 0.85:
            every = round(draw.uniform(10.0, 60.0), 3)
            return Clock(name, token, deed, after if chance < 0.7 else None, every, missed=missed, to=to)
        return Clock(name, token, deed, cron=f"*/{draw.choice((1, 2, 5))} * * * *", missed=missed, to=to)


def mark(event: Any) -> str | None:
    match event:
        case {"type": "office.wound", "clock": {"token": token}}:
            return str(token)
        case {"type": "office.got", "token": token}:
            return f"got {token}"
        case {"type": "office.reported", "token": token}:
            return f"reported {token}"
        case {"type": "office.chimed", "token": token, "due_ms": due_ms}:
            return f"chimed {token} {due_ms}"
        case {"token": token}:
            return str(token)
    return None


def couriers(**how: Any) -> Scenario:
    return Scenario(
        kinds=(Office,),
        channels=OFFICES,
        work=Errands(),
        mark=mark,
        audit=CourierAudit,
        **{"pace_s": 10.0} | how,
    )
