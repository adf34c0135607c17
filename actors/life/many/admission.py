"""Admission: how many messages read views at once on a node, and who is turned away when there are too many.

What has begun goes on: of a message that is handled halfway its sender has nothing. So no more than AT_ONCE read, and
others wait in line before they have cost anything. The line is bounded in time. A burst may wait for a second; but
where somebody has waited ever since, more is asked than can be read, and a long line would only make every answer late:
then nobody waits longer than a tenth of a second. Who is turned away hears so at once (`overloaded`), and not at their
deadline. As in CoDel, and in https://queue.acm.org/detail.cfm?id=2839461 ("Fail at Scale").

Only a command of a client is turned away. What an entity asks for another one that waits inside is part of that one's
work, what Greenroom asks itself is somebody's who is inside as well, and what nobody waits for has no sender to be
told. Neither is a handler that has recorded something, or asked another entity, which may have done something: who
hears `overloaded` may rely on it that nothing has happened. What is read aside has asked for nothing but answers, and
has its turn as a handler has.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Coroutine
from math import inf
from typing import TypeVar

import trio

from greenroom.actors.model.errors import Overloaded
from greenroom.config.telemetry.instruments import Instruments

AT_ONCE = 16  # enough for their statements to be read together, and so few that they are done in time
LINE_MAX = 1_024
T = TypeVar("T")

PATIENCE_S, HURRY_S = 1.0, 0.1  # in line: of a burst, and while there has been a line for PATIENCE_S
HELD_S, AWAY_S = 1.0, 0.1  # who waits for so long, for one answer or for what is no view, holds up nobody meanwhile


class Admission:
    """Of one node."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._inside: dict[ReadTurn, None] = {}  # those that count
        self._line: OrderedDict[ReadTurn, trio.Event] = OrderedDict()
        self._empty_at = -inf  # when the line was empty last

    def turn(self, deadline: float, *, is_command: bool) -> "ReadTurn":
        """For a message whose handler may read views: worth handling until then, on trio's clock; can it be turned
        away, since it is the command of a client, who can come again?"""
        return ReadTurn(self, deadline, is_command=is_command)

    @property
    def has_line(self) -> bool:
        return bool(self._line)

    async def enter(self, turn: "ReadTurn", deadline: float, *, may_refuse: bool) -> None:
        """Once it is one's turn. Raises: Overloaded."""
        now = trio.current_time()
        self._let_in(now)
        if (len(self._inside) < AT_ONCE and not self._line) or not may_refuse:
            self._go_in(turn, now)
            return
        if not self._line:
            self._empty_at = now
        if len(self._line) >= LINE_MAX:
            self._turn_away()
        patience_s = PATIENCE_S if now - self._empty_at < PATIENCE_S else HURRY_S
        until = now + min(patience_s, (deadline - now) / 2)  # of an answer that comes too late nobody has any
        called = self._line[turn] = trio.Event()
        try:
            while not called.is_set():
                with trio.move_on_at(min(until, self._frees_at())):
                    await called.wait()
                now = trio.current_time()
                self._let_in(now)
                if now >= until and not called.is_set():
                    self._turn_away()
        except BaseException:
            self._line.pop(turn, None)
            self.leave(turn)  # it may have been called just now
            raise

    def leave(self, turn: "ReadTurn") -> None:
        """It has been handled."""
        if turn in self._inside:
            del self._inside[turn]
            if self._line:
                self._let_in(trio.current_time())

    def _turn_away(self) -> None:
        self._instruments.turned_away_reads += 1
        raise Overloaded("too many read views")

    def _go_in(self, turn: "ReadTurn", now: float) -> None:
        turn.at = now
        self._inside[turn] = None

    def _frees_at(self) -> float:
        """When the first of those inside counts no more, unless something comes of it before."""
        return min((turn.counts_until for turn in self._inside), default=inf)

    def _let_in(self, now: float) -> None:
        """Those who came first, where there is room."""
        inside, line = self._inside, self._line
        if len(inside) >= AT_ONCE and (line or self._frees_at() <= now):
            for turn in [turn for turn in inside if turn.counts_until <= now]:
                del inside[turn]
        while line and len(inside) < AT_ONCE:
            turn, called = line.popitem(last=False)
            self._go_in(turn, now)
            called.set()
        if not line:
            self._empty_at = now


class ReadTurn:
    """Of one message, from the first that its handler reads until it is handled."""

    __slots__ = ("_admission", "_deadline", "_has_begun", "_is_command", "_is_reading", "at", "has_asked")

    def __init__(self, admission: Admission, deadline: float, *, is_command: bool) -> None:
        self._admission = admission
        self._deadline = deadline
        self._is_command = is_command
        self.has_asked = False  # another entity, which may have done something
        self._has_begun = False
        self._is_reading = False
        self.at = 0.0  # since when it reads, or does something else

    @property
    def counts_until(self) -> float:
        """Where nothing comes of it: then it waits for something else."""
        return self.at + (HELD_S if self._is_reading else AWAY_S)

    @property
    def has_line(self) -> bool:
        """Do commands wait for their turn?"""
        return self._admission.has_line

    async def read(self, answer: Awaitable[T], *, may_refuse: bool) -> T:
        """What is read; waits the first time alone. `may_refuse`: nothing has been done yet that a refusal would leave
        half done. Raises: Overloaded; whatever `answer` raises."""
        if not self._has_begun:
            try:
                await self._admission.enter(self, self._deadline, may_refuse=may_refuse and self._is_command)
            except BaseException:
                if isinstance(answer, Coroutine):
                    answer.close()
                raise
            self._has_begun = True
        self.at, self._is_reading = trio.current_time(), True
        try:
            return await answer
        finally:
            self.at, self._is_reading = trio.current_time(), False

    def end(self) -> None:
        if self._has_begun:
            self._admission.leave(self)
