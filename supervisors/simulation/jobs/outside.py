"""Outside of all nodes: whoever asks one of them over HTTP, by a way that breaks and may be cut.

The message runs in a task of the node that it has reached: whether the asker still waits, or still lives, is none of
its business.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import trio

from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.actors.model.message import Ask, Reply, decoded_reply
from greenroom.actors.model.principal import Principal
from greenroom.supervisors.simulation.faults import NO_FAULTS, Faults
from greenroom.supervisors.simulation.network import Reach
from greenroom.supervisors.simulation.node import SimulatedNode

ANSWER_S = 45.0  # of one message, in which it may wait: see supervisors/jobs/over_http.py
REFUSED_S = 0.2  # until it is known that nobody listens
BY = Principal(user="outside", roles=frozenset({"service"}))
encode = msgspec.json.encode


class _Asked:
    """A message on its way, and what came of it."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.reply: bytes | None = None
        self.error: ActorError | None = None


class Outside:
    """One who asks. Called as `Router.ask` is."""

    def __init__(
        self, nodes: Callable[[], list[SimulatedNode]], draw: Random, faults: Callable[[], Faults] = lambda: NO_FAULTS
    ) -> None:
        """`nodes`: those that there are, of which any that listens is asked."""
        self._nodes = nodes
        self._draw = draw
        self._faults = faults
        self.reach = Reach()
        self.is_dead = False  # nothing gets out any more

    async def __call__(self, entity: str, message: Ask[Reply], /) -> Reply:
        """Raises: ActorError."""
        draw, faults = self._draw, self._faults()
        await self._pass(draw.uniform(0.0, faults.latency_s))
        listening = [node for node in self._nodes() if node.listening and not node.dead]
        if not listening:
            await self._pass(REFUSED_S)
            raise Unavailable("simulated: nobody listens")
        if not self.reach.speaks:
            await self._pass(ANSWER_S)
            raise Unavailable("simulated: no way there")
        node = draw.choice(listening)
        breaks_s = draw.expovariate(2.0) if draw.random() < faults.lost else ANSWER_S
        asked = _Asked()
        sent = msgspec.json.decode(encode(message), type=type(message))  # its own, as over a wire
        node.serve(self._answer, node, asked, entity, sent)
        with trio.move_on_after(breaks_s):
            await asked.done.wait()
            await trio.sleep(draw.uniform(0.0, faults.latency_s))
        if not self.reach.hears:
            await self._pass(max(0.0, ANSWER_S - breaks_s))
            raise Unavailable("simulated: no way back")
        await self._pass(0.0)
        if asked.error is not None:
            raise asked.error
        if asked.reply is None:
            raise Unavailable("simulated: the connection broke")
        reply: Any = decoded_reply(message, asked.reply)
        return reply  # type: ignore[no-any-return]

    async def _answer(self, node: SimulatedNode, asked: _Asked, entity: str, message: Ask[Any]) -> None:
        try:
            with trio.fail_after(ANSWER_S):
                asked.reply = encode(await node.kernel.router.ask(entity, message, principal=BY))
        except ActorError as error:
            asked.error = error
        except trio.TooSlowError:
            asked.error = Unavailable("simulated: it takes too long")
        finally:
            asked.done.set()  # also where the node dies: its end of the connection is closed

    async def _pass(self, seconds: float) -> None:
        await trio.sleep(seconds)
        if self.is_dead:
            await trio.sleep_forever()
