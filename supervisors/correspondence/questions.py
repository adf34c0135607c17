"""Questions: what operators ask of other nodes, and what those say. Over the links, beside everything else.

Whoever asks waits for a bounded time; a node that does not answer in it, or at all, is one that did not answer. Nothing
of it is sent again.
"""

from collections.abc import Awaitable, Callable
from itertools import count

import structlog
import trio

from greenroom.actors.model.errors import ActorError
from greenroom.config.telemetry.shown import shown
from greenroom.supervisors.correspondence.wire import FRAME_BYTES_MAX, Question, Told

log = structlog.get_logger("greenroom.cluster")

ASKED_MAX = 1_000  # questions that wait for an answer; more is no answer
ANSWERING_MAX = 64  # questions of other nodes that are being answered; likewise
ANSWER_S = 5.0  # what one may take

Answer = Callable[[bytes], Awaitable[bytes]]


async def no_answer(_question: bytes) -> bytes:
    """Of a node that nobody looks at."""
    return b""


class Questions:
    """Of one node, a supervised child."""

    def __init__(self, *, answer: Answer, send: Callable[[int, Question | Told], None]) -> None:
        """`answer` says what there is to be said to a question; what it raises is no answer. `send` raises ActorError
        with nothing sent."""
        self._answer = answer
        self._send = send
        self._numbers = count(1)
        self._asked: dict[int, tuple[int, list[bytes], trio.Event]] = {}  # number -> node, where the answer goes
        self._answering = 0
        self._nursery: trio.Nursery | None = None

    async def ask(self, node: int, question: bytes, *, within_s: float) -> bytes | None:
        """What that node says; None when it says nothing in time."""
        if len(self._asked) >= ASKED_MAX:
            return None
        number = next(self._numbers)
        said: list[bytes] = []
        answered = trio.Event()
        self._asked[number] = node, said, answered
        try:
            self._send(node, Question(number, question))
            with trio.move_on_after(within_s):
                await answered.wait()
        except ActorError as error:
            log.debug("question_not_sent", node=f"{node:016x}", error=error.name)
        finally:
            del self._asked[number]
        return said[0] if said and said[0] else None

    # From other nodes.

    def asked(self, node: int, question: Question) -> None:
        if self._nursery is None or self._answering >= ANSWERING_MAX:
            self._tell(node, Told(question.number, b""))
            return
        self._answering += 1
        self._nursery.start_soon(self._answer_to, node, question)

    def told(self, node: int, told: Told) -> None:
        found = self._asked.get(told.number)
        if found is not None and found[0] == node:
            found[1].append(told.body)
            found[2].set()

    def parted(self, node: int) -> None:
        """What it was asked it may never have heard."""
        for asked, _, answered in self._asked.values():
            if asked == node:
                answered.set()

    async def _answer_to(self, node: int, question: Question) -> None:
        body = b""
        try:
            with trio.move_on_after(ANSWER_S):
                body = await self._answer(question.body)
        except Exception as error:  # the edge: a mistake with what one operator asked ends nothing else
            log.exception("question_failed", node=f"{node:016x}", error=shown(error))
        finally:
            self._answering -= 1
        self._tell(node, Told(question.number, body if len(body) < FRAME_BYTES_MAX else b""))

    def _tell(self, node: int, told: Told) -> None:
        try:
            self._send(node, told)
        except ActorError as error:
            log.debug("question_not_answered", node=f"{node:016x}", error=error.name)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer, until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: this call
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None
