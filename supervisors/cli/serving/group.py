"""The parent of `serve --nodes N`: has the port, the data folder and our own servers, and N children, each a node.

They share the database as nodes anywhere do (GREENROOM_NODES=0). The first starts alone: it brings the schema up to
date, and what is wrong with the settings is told once. One that ends is started again while the others serve; each has
a socket of its own for the port, so none of them has to wait for it.
"""

import os
import random
from functools import partial
from typing import Any

import structlog
import trio
from msgspec.structs import replace

from greenroom.config.settings import Settings
from greenroom.supervisors.cli.chosen.address import server_url
from greenroom.supervisors.cli.serving.child_process import KILL_S, Child, plain_options
from greenroom.supervisors.cli.serving.ground import Ground
from greenroom.supervisors.cli.serving.handing import Given, held_by_the_parent
from greenroom.supervisors.cli.serving.running import say_ready
from greenroom.supervisors.cli.terminal.plainly import Trouble
from greenroom.supervisors.duties.own_servers import mind_own_servers
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.signals import drain_on_signal, on_hangup
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import SupervisionEvent, SupervisorGaveUp, supervise
from greenroom.transports.sockets.shared_port import SharedPort

log = structlog.get_logger("greenroom.serve")

FIRST = 1
END_S = 10.0  # beyond the drain's own deadline; then it is killed
RESTARTS_BESIDE = 3  # so many within the window, beside one of each node: what kills a node may kill all, in turn
WINDOW_S = 60.0


def serve_nodes(settings: Settings, options: dict[str, Any]) -> None:
    """Serve by `settings.nodes` processes until a signal; `options` are those of the command line.

    Blocking. Raises: as `Ground` does; Trouble when nodes end too often; SystemExit when one can't start.
    """
    with Ground(settings) as ground:
        database_url, redis_url = ground.answering()
        assert ground.shared_port is not None  # as with all that are several
        given = Given(
            options={**plain_options(options), "nodes": 0},
            listener=-1,  # each has its own
            database_url=database_url,
            redis_url=redis_url,
            data_dir=str(ground.data_folder.path) if ground.data_folder is not None else None,
            held=held_by_the_parent(settings),
        )
        group = Group(
            given,
            ground.shared_port,
            nodes=settings.nodes,
            url=server_url(settings, port=ground.shared_port.port),
            drain_s=settings.stopping_s,
        )
        trio.run(group.run, ground, strict_exception_groups=True)
    if group.gave_up is not None:
        raise Trouble(f"the nodes end too often, see the log: {group.gave_up}")
    if group.status != 0:
        raise SystemExit(group.status)  # the node that could not start has said why


class Group:
    """The nodes, by their numbers from FIRST. `run` returns when all are gone."""

    def __init__(self, given: Given, port: SharedPort, *, nodes: int, url: str, drain_s: float) -> None:
        self._given = given
        self._port = port
        self._numbers = range(FIRST, FIRST + nodes)
        self._url = url
        self._end_s = drain_s + END_S
        self._end = trio.Event()
        self._going: dict[int, Child] = {}
        self._ready: set[int] = set()
        self._has_been_ready = False  # all of it
        self.status = 0  # of the node that could not start, as an exit status of ours
        self.gave_up: str | None = None

    async def run(self, ground: Ground) -> None:
        async with trio.open_nursery() as nursery:  # owner: the process
            await nursery.start(partial(drain_on_signal, self._end, force_exit=self._exit_at_once))
            await nursery.start(on_hangup, self._pass_on_hangup)
            if ground.own is not None:
                nursery.start_soon(mind_own_servers, ground.own)  # to the last: nodes that drain still write
            async with trio.open_nursery() as nodes:
                nodes.start_soon(self._supervise)
                try:
                    await self._end.wait()
                finally:  # also when something beside them has failed
                    # All at once, in one stretch with what keeps them from being started again: where all go, nobody
                    # is there to be handed anything.
                    self._ask_all_to_end()
                nodes.cancel_scope.cancel()
            nursery.cancel_scope.cancel()

    async def _supervise(self) -> None:
        shutdown_s = self._end_s + KILL_S + 1.0
        spec = SupervisorSpec(
            name="nodes",
            strategy=Strategy.ONE_FOR_ONE,
            intensity=RestartIntensity(restarts_max=len(self._numbers) + RESTARTS_BESIDE, window_s=WINDOW_S),
            children=tuple(
                ChildSpec(name=f"node {number}", start=partial(self._live, number), shutdown_s=shutdown_s)
                for number in self._numbers
            ),
        )
        try:
            await supervise(spec, backoff=_new_backoff, on_event=self._on_event)
        except SupervisorGaveUp as error:
            self.gave_up = str(error)
            self._end.set()

    def _on_event(self, event: SupervisionEvent) -> None:
        if event.name == "gave_up":
            self._ask_all_to_end()  # else they would be stopped one after another

    def _ask_all_to_end(self) -> None:
        for child in self._going.values():
            child.ask_to_end()

    def _exit_at_once(self, status: int) -> None:
        """In a signal handler. A node whose loop stands still would outlive us, and keep its part of the port."""
        for child in self._going.values():
            child.kill_at_once()
        os._exit(status)

    def _pass_on_hangup(self) -> None:
        for child in self._going.values():
            child.hang_up()

    async def _live(self, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        """A node until it ends after it was ready. One that can't start is tried again, uncounted, while others serve:
        they are not stopped for its sake."""
        if number != FIRST:
            task_status.started()  # these start side by side
        backoff = _new_backoff()
        while True:
            if await self._live_once(number, task_status) or not self._ready:
                return
            await trio.sleep(backoff.next())

    async def _live_once(self, number: int, task_status: trio.TaskStatus[None]) -> bool:
        """From its process's start to that's end: was it ready? Cancelled, it has the node drain."""
        was_asked = was_ready = False
        with self._port.bound() as listener:
            async with Child.loading(replace(self._given, listener=listener.fileno(), node_number=number)) as child:
                listener.close()  # what the node has is the only one: where it ends, so does its part of the port
                if await child.loaded():
                    self._going[number] = child
                    try:
                        await child.go()
                        if await child.ready():
                            was_ready = True
                            if number == FIRST:
                                task_status.started()
                            self._now_ready(number, child)
                        await child.ended()
                    finally:
                        was_asked = child.asked_to_end
                        self._ready.discard(number)
                        await child.end(self._end_s)
                        del self._going[number]
        if not was_asked:
            self._has_ended(number, child.status)
        return was_ready

    def _now_ready(self, number: int, child: Child) -> None:
        log.info("node_ready", node_number=number, pid=child.pid)
        self._ready.add(number)
        if len(self._ready) == len(self._numbers) and not self._has_been_ready:
            self._has_been_ready = True
            say_ready(self._url)

    def _has_ended(self, number: int, status: int | None) -> None:
        log.warning("node_ended", node_number=number, status=status)
        if not self._has_been_ready:
            self.status = status if status is not None and status > 0 else 1
            self._end.set()


def _new_backoff() -> Backoff:
    # Not at once: those who take over what the dead one had need the processors more than who loads code.
    return Backoff(random=random.Random(), first_s=1.0, max_s=10.0, jitter=0.5)
