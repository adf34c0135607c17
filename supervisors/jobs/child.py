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
from collections.abc import Callable
from typing import Any

import msgspec

from greenroom.actors.jobs.work import Cancel, Discard, Snooze
from greenroom.config.telemetry.shown import said, shown
from greenroom.supervisors.jobs.results import BadResult, encode_result
from greenroom.supervisors.jobs.speech import (
    Begin,
    Do,
    FromChild,
    Known,
    Log,
    Progress,
    Raised,
    Returned,
    StepDone,
    StepWanted,
    Stop,
    ToChild,
)

TRACE_MAX = 8_000
TEXT_MAX = 8_000
NOTE_MAX = 1_000
_decode = msgspec.json.Decoder(ToChild).decode
_encode = msgspec.json.encode


class Worker:
    """The other side."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._speaking = threading.Lock()  # a job may have threads of its own
        self.jobs: queue.SimpleQueue[Do] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Known] = queue.SimpleQueue()
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
        self._worker = worker

    def progress(self, share: float, note: str = "") -> None:
        """Raises: Cancel."""
        if self._worker.is_to_stop:
            raise Cancel("this attempt is to end")
        self._worker.say(Progress(float(share), str(note)[:NOTE_MAX]))

    def log(self, line: str) -> None:
        self._worker.say(Log(str(line)[:NOTE_MAX]))

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Raises: Cancel."""
        if self._worker.is_to_stop:
            raise Cancel("this attempt is to end")
        known = self._worker.ask(StepWanted(name))
        if not known.is_through:
            result = encode_result(do(), of=f"the result of the step {name!r}")
            known = self._worker.ask(StepDone(name, result))
        return msgspec.json.decode(known.result)


def run(do: Do, worker: Worker) -> Returned | Raised:
    """A job's SystemExit ends the process, and with it the attempt."""
    try:
        found: Any = importlib.import_module(do.module)
        for name in do.name.split("."):
            found = getattr(found, name)
        job = msgspec.json.decode(do.arguments, type=found)
        result = job.run(InProcess(do, worker))
        if isinstance(result, (Snooze, Discard, Cancel)):
            raise result
        return Returned(encode_result(result))
    except Snooze as snooze:
        return Raised("snooze", seconds=snooze.seconds)
    except Discard as error:
        return Raised("discard", said(error)[:TEXT_MAX])
    except Cancel as error:
        return Raised("cancel", said(error)[:TEXT_MAX])
    except BadResult as error:
        return Raised("bad_result", said(error)[:TEXT_MAX])
    except Exception as error:  # the edge: a job's code may raise anything
        return Raised("error", shown(error)[:TEXT_MAX], "".join(traceback.format_exception(error))[-TRACE_MAX:])


def main() -> None:
    worker = Worker(socket.socket(fileno=int(sys.argv[1])))
    threading.Thread(target=worker.listen, daemon=True).start()
    while True:
        worker.say(run(worker.jobs.get(), worker))


if __name__ == "__main__":
    main()
