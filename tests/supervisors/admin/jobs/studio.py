"""Jobs, and a saga, for operators to look at."""

from typing import Any

import trio
from msgspec import Struct

from greenroom import (
    Actor,
    Ask,
    Done,
    Event,
    Job,
    JobLimits,
    Queue,
    Refused,
    Retry,
    Saga,
    Secret,
    Step,
    Work,
)

STUDIO = Queue("studio", concurrency=4, tiers={"sweeney": 2})


class Cut(Job, queue=STUDIO, tag="job.cut"):
    """Takes its time, and may fail."""

    film: str
    licence: Secret[str] = ""
    token: str = ""
    seconds: float = 0.0
    fails: bool = False
    retry = Retry(attempts=2, first_s=0.05)
    limits = JobLimits(grace_s=0.5)
    partition = "film"

    async def run(self, work: Work) -> Any:
        work.log(f"<b>cutting</b> {self.film}")
        await work.progress(0.25, "rough cut")
        if self.fails:
            raise ValueError(f"{self.film} has no end, password=hunter2")
        await trio.sleep(self.seconds)
        return {"film": self.film, "token": "tok-123"}


class Booked(Event, tag="hall.booked"):
    """It was."""


class Book(Ask[Done], tag="hall.book"):
    """For a premiere."""


class HallState(Struct):
    """All of it."""

    booked: bool = False


class Hall(Actor[HallState]):
    """May be booked once."""

    kind = "hall"
    commands = (Book,)
    events = (Booked,)

    def handle(self, message: Any) -> Any:
        if self.state.booked:
            raise Refused("hall.booked", "it is")
        self.record(Booked())
        return Done()

    def apply(self, event: Any) -> None:
        self.state.booked = True

    def view(self) -> Any:
        return {"booked": self.state.booked}


class Open(Ask[Done], tag="premiere.open"):
    """A film is shown for the first time."""

    hall: str


class Premiere(Saga[Open]):
    """Books a hall, and waits for another for ever."""

    kind = "premiere"
    starts = "users"
    steps = (
        Step(name="book", do=lambda so_far: (f"hall:{so_far.input.hall}", Book()), deadline_s=30),
        Step(name="party", do=lambda so_far: (f"hall:{so_far.input.hall}", Book()), deadline_s=30),
    )
