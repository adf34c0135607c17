"""Entities that tell one another, ask to be told what became of it, and set themselves timers."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import trio

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Refused, Unavailable
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Message, Tell
from tests.supervisors.kernel.small_kernel import Kernel, Log, Noted

A, B, C = "log:a", "log:b", "log:c"


class Work(Ask[str], tag="log.work"):
    """What a receiver makes of it: see Desk."""

    text: str
    mood: str = "willing"


class Ring(Tell, tag="log.ring"):
    mood: str = "willing"


class Send(Ask[int], tag="log.send"):
    """Tell `to` each of `texts`; with an event of one's own unless `quietly`."""

    to: str
    texts: list[str]
    mood: str = "willing"
    about: str = ""
    quietly: bool = False


class SetTimers(Ask[int], tag="log.set_timers"):
    timers: list[dict[str, Any]]
    cancel: list[str] = []  # noqa: RUF012 - a field of a Struct, copied for each
    mood: str = "willing"


class Unencodable(Ask[None], tag="log.unencodable"):
    to: str


class Desk(Log):
    """Tells others, is told, and sets timers. `busy` counts down how often it is not in the mood."""

    commands = (*Log.commands, Work, Send, SetTimers, Unencodable)
    internal: ClassVar[tuple[type[Message], ...]] = (Ring,)
    limits = KindLimits(mailbox_messages=2000, timers_max=5)
    busy: Counter[str] = Counter()  # noqa: RUF012 - reset before each test

    def handle(self, message: Message) -> Any:
        match message:
            case Send():
                if not message.quietly:
                    self.note(f"sent {len(message.texts)}")
                for text in message.texts:
                    self.tell(message.to, Work(text=text, mood=message.mood), about=message.about and f"about {text}")
                return self.offset
            case Work():
                self.behave(message.mood, message.text)
                if message.mood == "silent":
                    return "nothing recorded"
                self.note(message.text)
                return f"did {message.text}"
            case Ring():
                assert self.fired is not None
                self.behave(message.mood, self.fired.name)
                if message.mood == "silent":
                    return None
                self.note(f"{self.fired.name} {self.fired.due_s:g}")
                if message.mood == "again":
                    self.set_timer(self.fired.name, Ring(), at=self.fired.due_s)
                elif message.mood == "cancels":
                    self.cancel_timer(self.fired.name)
            case SetTimers():
                for one in message.timers:
                    self.set_timer(message=Ring(mood=message.mood), **one)
                for name in message.cancel:
                    self.cancel_timer(name)
                return self.offset
            case Unencodable():
                self.tell(message.to, Work(text="never"))
                self.set_timer("never", Ring(), after=1)
                self.record(Noted(text=object()))  # type: ignore[arg-type]
            case Answered():
                assert self.fired is None
                self.note(f"{message.about}: {message.decode(str)}")
            case Undelivered():
                self.note(f"{message.about}: {message.name} {message.detail}")
            case _:
                return super().handle(message)
        return None

    def behave(self, mood: str, what: str) -> None:
        if mood == "busy" and self.busy[what] < 3:
            self.busy[what] += 1
            raise Unavailable("not now")
        if mood == "refuses":
            raise Refused("log.never", "not this")
        if mood == "poison":
            self.note("a part of it")
            raise ZeroDivisionError("boom")


class SlowDesk(Desk):
    limits = KindLimits(async_handler_s=5.0)

    async def handle(self, message: Message) -> Any:
        if isinstance(message, (Work, Ring)):
            await trio.sleep(2.0)
            if message.mood == "hangs":
                self.busy["hangs"] += 1
                if self.busy["hangs"] < 3:
                    await trio.sleep_forever()
        return super().handle(message)


@asynccontextmanager
async def desks(desk: type[Desk] = Desk, **how: Any) -> AsyncIterator[Kernel]:
    async with Kernel(kinds=(desk,), **how).running() as run:
        yield run


def texts(run: Kernel, entity: str) -> list[str]:
    return [text for text in run.texts(entity) if text and not text.startswith("sent")]
