"""The watchdog: finds the handler that never returns, and interrupts it.

A handler runs on the event loop's thread, so while it runs nothing else does: no deadline fires, no task can cancel it.
Therefore a daemon thread looks at which turn is running, every `sample_s`. The same one after `slow_s`: the stack is
logged, once. After `stuck_s`: a signal to the main thread, whose Python-level handler runs there between two bytecodes,
sees whether that very turn is still running, and raises HandlerStuck inside it. Since check and raise happen in
the thread that also ends turns, no other turn can be hit; and a turn is no more than the call of an entity's own code
(`actors/life/turn.py`), so no line of ours can be either.

What this can't do: interrupt C code that never looks at signals (a giant `pow`), or code that swallows exceptions,
though that one is interrupted again at each sample. With the loop outside the main thread it only logs.
"""

import enum
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from types import FrameType

import structlog
import trio
from trio import TaskStatus

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerStuck

log: structlog.stdlib.BoundLogger = structlog.get_logger("greenroom.watchdog")

FRAMES_MAX = 40  # frames of a logged stack; the innermost are kept
JOIN_S = 0.5  # what stopping may wait for the thread, which needs microseconds unless it is writing a log line


@dataclass(frozen=True, slots=True)
class Suspect:
    """A turn as the thread saw it. It holds the item, so that no other can get the same identity meanwhile."""

    owner: object | None
    item: object
    serial: int

    def is_still(self, turn: Turn) -> bool:
        return turn.owner is self.owner and turn.item is self.item and turn.serial == self.serial

    @property
    def names(self) -> dict[str, str]:
        entity = getattr(self.owner, "entity", None) or type(self.owner).__name__
        return {"entity": str(entity), "message": type(self.item).__name__}


class Verdict(enum.Enum):
    """What one look at a turn finds."""

    CALM = enum.auto()
    SLOW = enum.auto()  # said once a turn
    STUCK = enum.auto()
    STILL_STUCK = enum.auto()  # said at every look after STUCK


class TurnClock:
    """Decides how long a turn has lasted, from looks at it. A turn is as old as its first look."""

    def __init__(self, *, sample_s: float, slow_s: float, stuck_s: float) -> None:
        self._gap_s_max = 2 * sample_s
        self._slow_s = slow_s
        self._stuck_s = stuck_s
        self.suspect: Suspect | None = None
        self._looked_at = 0.0
        self._age_s = 0.0
        self._told = Verdict.CALM

    def look(self, turn: Turn, now: float) -> Verdict:
        """What to do about the turn running at `now` (seconds of a monotonic clock)."""
        if self.suspect is None or not self.suspect.is_still(turn):
            # Read attribute by attribute from another thread, this may mix two turns: then the next look sees neither.
            item = turn.item
            self.suspect = None if item is None else Suspect(turn.owner, item, turn.serial)
            self._age_s = 0.0
            self._told = Verdict.CALM
            self._looked_at = now
            return Verdict.CALM
        # A process that was stopped (SIGSTOP, a starved machine) finds the clock far ahead and the turn innocent: so
        # between two looks a turn ages by little more than the time we meant to let pass.
        self._age_s += min(now - self._looked_at, self._gap_s_max)
        self._looked_at = now
        if self._age_s >= self._stuck_s:
            if self._told is Verdict.STUCK:
                return Verdict.STILL_STUCK
            self._told = Verdict.STUCK
            return Verdict.STUCK
        if self._age_s >= self._slow_s and self._told is Verdict.CALM:
            self._told = Verdict.SLOW
            return Verdict.SLOW
        return Verdict.CALM


class Watchdog:
    """Watches one event loop's turns. `slow_turns` and `stuck_turns` count what it found, for the metrics."""

    def __init__(
        self,
        turn: Turn,
        *,
        stuck_s: float = 5.0,
        slow_s: float = 0.25,
        sample_s: float = 0.1,  # each wakes a thread, which is a tenth of all that an idle node does
        signum: signal.Signals = signal.SIGUSR2,
    ) -> None:
        """`signum` is taken from the process while `run` runs."""
        if not 0 < sample_s <= slow_s <= stuck_s:
            raise ValueError(f"must be 0 < sample_s <= slow_s <= stuck_s: {sample_s}, {slow_s}, {stuck_s}")
        self.slow_turns = 0
        self.stuck_turns = 0
        self._turn = turn
        self._clock = TurnClock(sample_s=sample_s, slow_s=slow_s, stuck_s=stuck_s)
        self._sample_s = sample_s
        self._signum = signum
        self._stop = threading.Event()
        self._accused: Suspect | None = None  # handed from the thread to the signal handler

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch the calling thread until cancelled; ready at once. Call it in the thread whose turns are watched."""
        self._stop.clear()
        loop_thread = threading.get_ident()
        can_interrupt = threading.current_thread() is threading.main_thread()
        before = signal.signal(self._signum, self._interrupt) if can_interrupt else None
        thread = threading.Thread(
            target=self._watch, args=(loop_thread, can_interrupt), name="greenroom-watchdog", daemon=True
        )
        try:
            thread.start()
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._stop.set()
            # Blocking on purpose: it wakes at once, and handing the wait to another thread would take longer.
            thread.join(JOIN_S)
            # The default of SIGUSR2 ends the process, so never give it back while somebody may still send one.
            if can_interrupt and not thread.is_alive():
                signal.signal(self._signum, before if before is not None else signal.SIG_DFL)
            self._accused = self._clock.suspect = None  # or we would keep an actor alive

    def _watch(self, loop_thread: int, can_interrupt: bool) -> None:
        """The thread."""
        while not self._stop.wait(self._sample_s):
            verdict = self._clock.look(self._turn, time.monotonic())
            suspect = self._clock.suspect
            if verdict is Verdict.CALM or suspect is None:
                continue
            if verdict is Verdict.SLOW:
                self.slow_turns += 1
                log.warning("handler_slow", **suspect.names, stack=_stack(loop_thread))
                continue
            if can_interrupt and not self._stop.is_set():
                self._accused = suspect
                signal.pthread_kill(loop_thread, self._signum)
            if verdict is Verdict.STUCK:
                self.stuck_turns += 1
                log.error("handler_stuck", **suspect.names, interrupted=can_interrupt)

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler: in the main thread, between two bytecodes of `frame`."""
        accused, self._accused = self._accused, None
        if accused is None or not accused.is_still(self._turn):
            return  # ended meanwhile
        raise HandlerStuck(f"{accused.names['entity']}: interrupted at {accused.names['message']}")


def _stack(thread: int) -> str:
    """Where `thread` is now: files, lines and source, no values."""
    frame = sys._current_frames().get(thread)
    return "" if frame is None else "".join(traceback.format_stack(frame, FRAMES_MAX))
