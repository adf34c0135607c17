"""Processes of our own, in which jobs of `process = True` are called: few, started when they are needed, kept.

Each runs one job at a time (child.py). Both sides speak JSON, a line a message, over a socket: nothing is pickled. One
that ends with a job in hand, however it does, has lost that attempt; one whose attempt is given up is killed.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Protocol, cast

import msgspec
import structlog
import trio
from msgspec import Raw
from msgspec.structs import replace

from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.messages import Child
from greenroom.actors.jobs.queue.flows.wanted import Wanted
from greenroom.actors.jobs.work import Cancel, Discard, Pause, Snooze, WaitsForChildren
from greenroom.supervisors.jobs.results import BadResult
from greenroom.supervisors.jobs.speech import (
    LINE_BYTES_MAX,
    Begin,
    ChildrenKnown,
    ChildrenWanted,
    Do,
    FromChild,
    Known,
    Progress,
    Raised,
    Returned,
    SpawnWanted,
    StepDone,
    StepWanted,
    Stop,
    ToChild,
)
from greenroom.supervisors.jobs.speech import Log as LogLine

log = structlog.get_logger("greenroom.jobs")

CHILD = "greenroom.supervisors.jobs.child"
PROCESSES_MAX = 32  # or as many as there are processors
END_S = 5.0
RECEIVE_BYTES = 64 << 10
_decode = msgspec.json.Decoder(FromChild).decode
_encode = msgspec.json.encode


class ProcessLost(Exception):
    """The process has ended with the job in hand."""


class JobRaised(Exception):
    """The job raised there; the text is what it said of itself."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.text)
        self.raised = raised


class Attempted(Protocol):
    """The attempt that a process is at."""

    id: str
    attempt: int
    attempts_max: int
    traceparent: str
    on_stop: Callable[[], None] | None

    @property
    def is_to_stop(self) -> bool: ...

    def log(self, line: str) -> None: ...

    def note(self, share: float, note: str) -> None: ...

    async def step_known(self, name: str) -> Raw | None: ...

    async def keep_step(self, name: str, result: Any) -> Raw: ...

    async def children_known(self) -> list[Child]: ...

    async def spawn_known(self, group: str, jobs: list[Wanted]) -> list[str]: ...


class Processes:
    """At most so many at once; further jobs wait for one. A supervised child: `run`."""

    def __init__(self, most: int | None = None) -> None:
        most = most or min(PROCESSES_MAX, os.cpu_count() or 1)
        self._free = trio.CapacityLimiter(most)
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own them: until cancelled, and then none is left."""
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):  # killed: none takes its time
                for child in list(self._all):
                    await child.kill()

    @property
    def pids(self) -> list[int]:
        """Of those that there are."""
        return [child.pid for child in self._all]

    async def call(self, attempt: Attempted, installed: InstalledJob, arguments: Raw, timeout_s: float) -> Any:
        """What the job returned there, as Raw. Cancelled, the process is killed.

        Raises: ProcessLost, JobRaised, BadResult; Snooze, Pause, Discard, Cancel and WaitsForChildren as the job did.
        """
        async with self._free:
            if attempt.is_to_stop:
                raise Cancel("this attempt is to end")
            child = self._idle.pop() if self._idle else await _Child.started(self._all)
            try:
                job, given = installed.job, Raw(in_one_line(arguments))
                do = Do(
                    job.__module__,
                    job.__qualname__,
                    attempt.id,
                    attempt.attempt,
                    attempt.attempts_max,
                    given,
                    attempt.traceparent,
                )
                outcome = await child.run(do, attempt, timeout_s)
            except BaseException:
                with trio.CancelScope(shield=True):
                    await child.kill()
                raise
            self._idle.append(child)
        if isinstance(outcome, Returned):
            return outcome.result
        match outcome.what:
            case "snooze":
                raise Snooze(outcome.seconds)
            case "pause":
                raise Pause(outcome.seconds, outcome.text)
            case "discard":
                raise Discard(outcome.text)
            case "cancel":
                raise Cancel(outcome.text)
            case "rests":
                raise WaitsForChildren
            case "bad_result":
                raise BadResult(outcome.text)
        raise JobRaised(outcome)


class _Child:
    def __init__(self, process: trio.Process, stream: trio.SocketStream, among: "set[_Child]") -> None:
        self._process = process
        self._stream = stream
        self._among = among
        self._left = b""
        self._to_say: list[ToChild] = []
        self._said = trio.Event()

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def started(cls, among: "set[_Child]") -> "_Child":
        ours, theirs = socket.socketpair()
        with theirs:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-P", "-m", CHILD, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C is for us
            )
        child = cls(process, trio.SocketStream(trio.socket.from_stdlib_socket(ours)), among)
        among.add(child)
        child._to_say.append(Begin(sys.path))
        return child

    async def run(self, do: Do, attempt: Attempted, timeout_s: float) -> Returned | Raised:
        """Raises: ProcessLost."""
        self._to_say.append(do)
        try:
            async with trio.open_nursery() as nursery:  # owner: this call
                attempt.on_stop = self._stop
                nursery.start_soon(self._say)
                nursery.start_soon(self._stop_in_time, timeout_s)
                outcome = await self._hear(attempt)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _lost_in(group) from None
        finally:
            attempt.on_stop = None
        return outcome

    def _stop(self) -> None:
        self._to_say.append(Stop())
        self._said.set()

    async def _stop_in_time(self, timeout_s: float) -> None:
        await trio.sleep(timeout_s)
        self._stop()

    async def _say(self) -> None:
        while True:
            self._said = trio.Event()
            if self._to_say:
                said, self._to_say = self._to_say, []
                try:
                    await self._stream.send_all(b"".join(_encode(one) + b"\n" for one in said))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return  # who listens finds out why
                continue
            await self._said.wait()

    async def _hear(self, attempt: Attempted) -> Returned | Raised:
        while True:
            match await self._line():
                case Progress() as progress:
                    attempt.note(progress.share, progress.note)
                case LogLine() as logged:
                    attempt.log(logged.line)
                case StepWanted() as wanted:
                    step = await attempt.step_known(wanted.name)
                    self._to_say.append(Known(True, Raw(in_one_line(step))) if step is not None else Known())
                    self._said.set()
                case StepDone() as done:
                    self._to_say.append(Known(True, await attempt.keep_step(done.name, done.result)))
                    self._said.set()
                case ChildrenWanted():
                    self._to_say += await _children_of(attempt)
                    self._said.set()
                case SpawnWanted() as wanted:
                    ids = await attempt.spawn_known(wanted.group, wanted.jobs)
                    self._to_say.append(Known(True, Raw(_encode(ids))))
                    self._said.set()
                case (Returned() | Raised()) as outcome:
                    return outcome

    async def _line(self) -> FromChild:
        """Raises: ProcessLost."""
        while b"\n" not in self._left:
            try:
                received = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                received = b""
            if not received or len(self._left) > LINE_BYTES_MAX:
                if received:
                    self._process.kill()
                await self._end()
                raise ProcessLost(f"its process ended: {_how(self._process.returncode)}")
            self._left += received
        line, _, self._left = self._left.partition(b"\n")
        return cast(FromChild, _decode(line))

    async def kill(self) -> None:
        """However it is."""
        self._process.kill()
        await self._end()

    async def _end(self) -> None:
        with trio.move_on_after(END_S):  # it has closed its end of the socket: it is about to end
            await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._among.discard(self)
        await trio.aclose_forcefully(self._stream)


async def _children_of(attempt: Attempted) -> list[ChildrenKnown]:
    """A line each. Raises: ActorError, CannotOpen."""
    try:
        children = await attempt.children_known()
    except WaitsForChildren:  # the job hears it from its own call, and may tidy up
        return [ChildrenKnown([], True, rests=True)]
    if not children:
        return [ChildrenKnown([], True)]
    told = [replace(one, result=Raw(in_one_line(one.result))) for one in children]
    return [ChildrenKnown([one], number == len(told)) for number, one in enumerate(told, 1)]


def in_one_line(json: Raw) -> bytes:
    """What others wrote may have lines."""
    return msgspec.json.format(bytes(json), indent=-1)


def _how(status: int | None) -> str:
    if status is None:
        return "unknown"
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


def _lost_in(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What listening raised; a cancellation from outside is what it is."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
