"""Entities that misbehave when they are told to, and are good citizens otherwise. Served through GREENROOM_ENTITIES."""

import time
from pathlib import Path
from typing import Annotated, Any

import trio
from msgspec import Meta, Struct

from greenroom import Actor, Ask, Done, Event, KindLimits


class Numbered(Struct, frozen=True):
    number: int


class Said(Event, tag="faulty.said"):
    text: str


class Say(Ask[Numbered], tag="faulty.say"):
    text: Annotated[str, Meta(min_length=1, max_length=1000)]


class Raise(Ask[Done], tag="faulty.raise"):
    """Records, and raises for as long as the file exists: what it recorded must never be seen."""

    unless_gone: str


class Spin(Ask[Done], tag="faulty.spin"):
    """Never returns, and holds the event loop."""

    swallow: bool = False  # catches what interrupts it, twice


class FaultyState(Struct):
    texts: list[str] = []


class Faulty(Actor[FaultyState]):
    kind = "faulty"
    commands = (Say, Raise, Spin)
    events = (Said,)

    def handle(self, message: Say | Raise | Spin) -> Any:
        match message:
            case Say(text=text):
                self.record(Said(text=text))
                return Numbered(self.offset)
            case Raise(unless_gone=path):
                self.record(Said(text="never"))
                if Path(path).exists():
                    raise ZeroDivisionError("told to raise")
                return Done()
            case Spin(swallow=swallow):
                for _ in range(2 if swallow else 0):
                    try:
                        while True:
                            pass
                    except Exception:
                        continue
                while True:
                    pass

    def apply(self, event: Said) -> None:
        self.state.texts.append(event.text)

    def view(self) -> Any:
        return {"texts": self.state.texts}


class Worked(Event, tag="slow.worked"):
    name: str


class Work(Ask[Numbered], tag="slow.work"):
    name: str
    seconds: Annotated[float, Meta(ge=0, le=1000)] = 0.0


class SpinLater(Ask[Done], tag="slow.spin"):
    """Holds the event loop from inside an async handler."""


class Slow(Actor[FaultyState]):
    """Its work is I/O, one piece at a time, and few may wait."""

    kind = "slow"
    commands = (Work, SpinLater)
    events = (Worked,)
    limits = KindLimits(mailbox_messages=4, async_handler_s=1.0)

    async def handle(self, message: Work | SpinLater) -> Any:
        if isinstance(message, SpinLater):
            await trio.lowlevel.checkpoint()
            while True:
                time.monotonic()
        await trio.sleep(message.seconds)
        self.record(Worked(name=message.name))
        return Numbered(self.offset)

    def apply(self, event: Worked) -> None:
        self.state.texts.append(event.name)

    def view(self) -> Any:
        return {"names": self.state.texts}
