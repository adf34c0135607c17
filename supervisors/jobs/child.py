"""A process of a worker's own: calls one job at a time, as it is told over the socket whose number it is given.

The main thread runs jobs; another one listens, so that a stop is heard while a job runs, and ends the process when the
worker has. What a job prints goes where the worker's output goes.
"""

import importlib
import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

import msgspec

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.flows.wanted import wanted
from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.jobs.work import Cancel, Child, Discard, NoEntities, Pause, Snooze, WaitsForChildren
from greenroom.config.telemetry.shown import said, shown
from greenroom.supervisors.jobs.results import BadResult, encode_result
from greenroom.supervisors.jobs.speech import (
    LINE_BYTES_MAX,
    Begin,
    ChildrenKnown,
    ChildrenWanted,
    Do,
    FromChild,
    Known,
    Log,
    Progress,
    Raised,
    Returned,
    SpawnWanted,
    StepDone,
    StepWanted,
    Stop,
    ToChild,
)
from greenroom.supervisors.jobs.words import TEXT_MAX, reason_of, seconds_of, whole

NOTE_MAX = 1_000
SPAWN_BYTES_MAX = LINE_BYTES_MAX // 2  # what else is said of each takes its room
_decode = msgspec.json.Decoder(ToChild).decode
_encode = msgspec.json.encode


class Worker:
    """The other side."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._speaking = threading.Lock()  # a job may have threads of its own
        self.jobs: queue.SimpleQueue[Do] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Known] = queue.SimpleQueue()
        self.children: queue.SimpleQueue[ChildrenKnown] = queue.SimpleQueue()
        self.is_to_stop = False

    def listen(self) -> None:
        """The other thread."""
        try:
            with self._line.makefile("rb") as lines:
                for line in lines:
                    match _decode(line):
                        case Begin(path=path):
                            sys.path += [one for one in path if one not in sys.path]
                        case Do() as do:
                            self.is_to_stop = False
                            self.jobs.put(do)
                        case Stop():
                            self.is_to_stop = True
                        case Known() as known:
                            self._answers.put(known)
                        case ChildrenKnown() as some:
                            self.children.put(some)
        finally:  # whatever the reason: nobody is there to hear of the job
            os._exit(0)

    def say(self, one: FromChild) -> None:
        with self._speaking:
            self._line.sendall(_encode(one) + b"\n")

    def ask(self, one: FromChild) -> Known:
        self.say(one)
        return self._answers.get()


class InProcess:
    """What the job sees as its `ThreadWork`."""

    def __init__(self, do: Do, worker: Worker) -> None:
        self.id = do.id
        self.attempt = do.attempt
        self.attempts_max = do.attempts_max
        self.traceparent = do.traceparent
        self._worker = worker

    def progress(self, share: float, note: str = "") -> None:
        """Raises: Cancel."""
        if self._worker.is_to_stop:
            raise Cancel("this attempt is to end")
        self._worker.say(Progress(float(share), whole(str(note)[:NOTE_MAX])))

    def log(self, line: str) -> None:
        self._worker.say(Log(whole(str(line)[:NOTE_MAX])))

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Raises: Cancel."""
        if self._worker.is_to_stop:
            raise Cancel("this attempt is to end")
        known = self._worker.ask(StepWanted(name))
        if not known.is_through:
            result = encode_result(do(), of=f"the result of the step {name!r}")
            known = self._worker.ask(StepDone(name, result))
        return msgspec.json.decode(known.result)

    def spawn(self, group: str, jobs: Iterable[Job], *, on_failure: OnFailure = "fail") -> list[str]:
        """Raises: Cancel; ValueError where that is more than a line between processes holds."""
        if self._worker.is_to_stop:
            raise Cancel("this attempt is to end")
        some = wanted(jobs, on_failure)
        if sum(len(one.job.arguments) for one in some) > SPAWN_BYTES_MAX:
            raise ValueError(f"the arguments of one group have more than {SPAWN_BYTES_MAX} bytes")
        ids = self._worker.ask(SpawnWanted(group, some)).result
        return msgspec.json.decode(ids, type=list[str])

    def children(self) -> list[Child]:
        """Raises: WaitsForChildren."""
        self._worker.say(ChildrenWanted())
        children: list[Child] = []
        while True:
            some = self._worker.children.get()
            if some.rests:
                raise WaitsForChildren("it is to rest until they have ended")
            children += [Child(one.id, one.state, msgspec.json.decode(one.result), one.error) for one in some.children]
            if some.is_last:
                return children

    def ask(self, *asked: Any, **how: Any) -> NoReturn:
        """Raises: NoEntities."""
        raise NoEntities(
            "a job with `process = True` speaks to no entities: have one without it do so, before or after"
        )

    query = query_pages = nudge = ask


def run(do: Do, worker: Worker) -> Returned | Raised:
    """A job's SystemExit ends the process, and with it the attempt."""
    try:
        found: Any = importlib.import_module(do.module)
        for name in do.name.split("."):
            found = getattr(found, name)
        job = msgspec.json.decode(do.arguments, type=found)
        with _below(do.traceparent):
            result = job.run(InProcess(do, worker))
        if isinstance(result, (Snooze, Pause, Discard, Cancel, WaitsForChildren)):
            raise result
        return Returned(encode_result(result))
    except Exception as error:  # the edge: a job's code may raise anything
        try:
            return _raised(error)
        except Exception as unusable:  # also what can't be said
            text = f"what it came to, {type(error).__name__}, is of no use: {shown(unusable)}"
            return Raised("error", whole(text[:TEXT_MAX]))


def _below(traceparent: str) -> AbstractContextManager[object]:
    """What the job's own code traces is below its attempt."""
    if not traceparent:
        return nullcontext()
    from greenroom.config.telemetry.tracing import below

    return below(traceparent)


def _raised(error: Exception) -> Raised:
    """Raises: whatever the exception's own code does."""
    match error:
        case Snooze():
            return Raised("snooze", seconds=seconds_of(error))
        case Pause():
            return Raised("pause", reason_of(error), seconds=seconds_of(error))
        case Discard():
            return Raised("discard", whole(said(error)[:TEXT_MAX]))
        case WaitsForChildren():
            return Raised("rests")
        case Cancel():
            return Raised("cancel", whole(said(error)[:TEXT_MAX]))
        case BadResult():
            return Raised("bad_result", whole(said(error)[:TEXT_MAX]))
    trace = "".join(traceback.format_exception(error))[-TEXT_MAX:]
    return Raised("error", whole(shown(error)[:TEXT_MAX]), whole(trace))


def main() -> None:
    worker = Worker(socket.socket(fileno=int(sys.argv[1])))
    threading.Thread(target=worker.listen, daemon=True).start()
    while True:
        worker.say(run(worker.jobs.get(), worker))


if __name__ == "__main__":
    main()
