"""Jobs that write down when an attempt at them begins and ends, and an entity that starts some and hears of them.

Served through GREENROOM_ENTITIES; where they write is CHAOS_JOBS.
"""

import os
import time
from pathlib import Path
from typing import Any

import trio
from msgspec import Struct

from greenroom import Actor, Answered, Ask, Event, Job, Retry, Undelivered
from greenroom.actors.jobs.work import Work
from greenroom.actors.model.message import Message

FOLDER = "CHAOS_JOBS"
QUEUE = "chores"
RETRY = Retry(attempts=50, first_s=0.2, max_s=1.0)


def note(job: str, what: str) -> int:
    """One line, by one write: whole, whoever is killed in that moment. Returns its time."""
    now_ns = time.monotonic_ns()
    line = f"{job} {what} {os.getpid()} {now_ns}\n".encode()
    file = os.open(Path(os.environ[FOLDER]) / f"{os.getpid()}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    return now_ns


class Awaited(Job, queue=QUEUE, tag="job.awaited"):
    """On trio."""

    takes_s: float = 0.1
    retry = RETRY

    async def run(self, work: Work) -> Any:
        begun_ns = note(work.id, "begins")
        await trio.sleep(self.takes_s)
        note(work.id, "ends")
        return {"pid": os.getpid(), "begun_ns": begun_ns}


class Threaded(Job, queue=QUEUE, tag="job.threaded"):
    """In a thread."""

    takes_s: float = 0.1
    retry = RETRY

    def run(self, work: Any) -> Any:
        begun_ns = note(work.id, "begins")
        time.sleep(self.takes_s)
        note(work.id, "ends")
        return {"pid": os.getpid(), "begun_ns": begun_ns}


class Apart(Threaded, queue=QUEUE, tag="job.apart"):
    """In a process of its own."""

    process = True


CLASSES = (Awaited, Threaded, Apart)


class Place(Ask[str], tag="foreman.place"):
    """Start the job of that number."""

    number: int
    takes_s: float = 0.1


class Placed(Event, tag="foreman.placed"):
    number: int
    job: str


class Heard(Event, tag="foreman.heard"):
    number: int
    job: str
    well: bool


class ForemanState(Struct):
    placed: int = 0
    heard: int = 0


class Foreman(Actor[ForemanState]):
    """Starts jobs with its events, and hears once what became of each."""

    kind = "foreman"
    commands = (Place,)
    events = (Placed, Heard)

    def handle(self, message: Message) -> Any:
        match message:
            case Place():
                job = CLASSES[message.number % len(CLASSES)](takes_s=message.takes_s)
                started = self.start_job(job, about=str(message.number))
                self.record(Placed(number=message.number, job=started))
                return started
            case Answered():
                self.record(Heard(number=int(message.about), job=message.entity.partition(":")[2], well=True))
            case Undelivered():
                self.record(Heard(number=int(message.about), job=message.entity.partition(":")[2], well=False))
        return None

    def apply(self, event: Event) -> None:
        self.state.placed += isinstance(event, Placed)
        self.state.heard += isinstance(event, Heard)

    def view(self) -> Any:
        return {"placed": self.state.placed, "heard": self.state.heard}
