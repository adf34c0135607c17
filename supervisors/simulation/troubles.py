"""Troubles: what goes wrong in a world at random moments, as often as its faults say."""

from collections.abc import Awaitable, Callable

import trio

from greenroom.supervisors.simulation.jobs.troubles import JobTroubles
from greenroom.supervisors.simulation.node import SimulatedNode
from greenroom.supervisors.simulation.views.troubles import ViewTroubles
from greenroom.supervisors.simulation.world import World

DRAIN_S = 5.0

Trouble = Callable[[World], Awaitable[None]]  # returns when faults are to stop


def at_random(seconds: float) -> Trouble:
    """All that the world's faults have, for so long."""

    async def trouble(world: World) -> None:
        troubles = Troubles(world)
        makes: list[Callable[[], Awaitable[None]]] = [
            troubles.crash,
            troubles.stop,
            troubles.stall,
            troubles.shake_database,
        ]
        makes += [troubles.haunt] if world.nodes_wanted == 1 else [troubles.cut_off]
        makes += [troubles.fail_over, troubles.cut_wires]
        if world.nodes_wanted > 1:
            makes += [troubles.part, troubles.shake_redis, troubles.slow_down]
        if world.truth is not None:
            makes += ViewTroubles(world).all
        if world.jobs is not None:
            makes += JobTroubles(world).all
        async with trio.open_nursery() as nursery:  # owner: this call
            for make in makes:
                nursery.start_soon(make)
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()

    return trouble


class Troubles:
    """Of one world. Each method goes on until cancelled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._draw = world.draw
        self._faults = world.faults

    async def _wait(self, every_s: float) -> None:
        if every_s <= 0:
            await trio.sleep_forever()
        await trio.sleep(self._draw.expovariate(1.0 / every_s))

    def _victim(self) -> SimulatedNode | None:
        """Who is next to have trouble: of several one by chance, and of a node and its zombie the newer."""
        world = self._world
        if world.nodes_wanted == 1:
            node = world.nodes[-1] if world.nodes else None
            return node if node is not None and not node.dead else None
        alive = [node for node in world.nodes if not node.dead]
        return self._draw.choice(alive) if alive else None

    # Of nodes.

    async def crash(self) -> None:
        """A node dies."""
        world, draw = self._world, self._draw
        while True:
            await self._wait(self._faults.crash_every_s)
            node = self._victim()
            if node is None or world.changing:
                continue
            world.changing = True
            if draw.random() < 0.3:
                node.kill()
            else:
                node.kill_after(draw.randint(1, 30))
            with trio.move_on_after(20.0):
                await node.ended.wait()
            await world.bury(node)
            await trio.sleep(draw.uniform(0.0, self._faults.down_s))
            await world.start_node()
            world.changing = False

    async def stop(self) -> None:
        """A node is drained, and replaced."""
        world = self._world
        while True:
            await self._wait(self._faults.stop_every_s)
            node = self._victim()
            if node is None or world.changing:
                continue
            world.changing = True
            with trio.move_on_after(DRAIN_S + 30.0):
                await node.drain(DRAIN_S)
            await world.bury(node)
            await world.start_node()
            world.changing = False

    async def stall(self) -> None:
        """A node stands still."""
        world = self._world
        while True:
            await self._wait(self._faults.stall_every_s)
            node = self._victim()
            if node is None or node.stalled or world.changing:
                continue
            world.pause(node)
            await trio.sleep(self._draw.uniform(0.0, self._faults.stall_s))
            world.resume(node)

    async def haunt(self) -> None:
        """A node lives on beside the one that was to replace it."""
        world, draw, faults = self._world, self._draw, self._faults
        while True:
            await self._wait(faults.zombie_every_s)
            node = self._victim()
            if node is None or node.stalled or world.changing:
                continue
            world.changing = True
            if draw.random() < 0.7:
                world.pause(node)
                await trio.sleep(draw.uniform(0.0, faults.down_s))
            world.haunted = await world.start_node()
            await trio.sleep(draw.uniform(0.0, faults.stall_s))
            world.resume(node)
            await trio.sleep(draw.uniform(0.0, faults.zombie_s))
            await world.bury(node)
            world.changing = False

    # Of what they share.

    async def shake_database(self) -> None:
        """It restarts."""
        while True:
            await self._wait(self._faults.restart_every_s)
            await self._world.database.restart(self._draw.uniform(0.1, 5.0))

    async def fail_over(self) -> None:
        """A standby of it takes over."""
        database, draw = self._world.database, self._draw
        while True:
            await self._wait(self._faults.failover_every_s)
            if draw.random() < self._faults.lost_tail:
                database.fall_behind()
                await trio.sleep(draw.uniform(0.0, self._faults.lag_s))
                database.promote()
            else:
                database.fail_over()
            await database.restart(draw.uniform(0.1, 2.0))

    async def slow_down(self) -> None:
        """It is slow, for everybody."""
        database = self._world.database
        while True:
            await self._wait(self._faults.sluggish_every_s)
            self._world.timeline.note("database is slow", who="database")
            database.is_sluggish = True
            await trio.sleep(self._draw.uniform(0.0, self._faults.cut_s))
            database.is_sluggish = False

    async def shake_redis(self) -> None:
        """It restarts, is wiped, or fails over."""
        redis, draw = self._world.redis, self._draw
        while True:
            await self._wait(self._faults.redis_every_s)
            chance = draw.random()
            if chance < 0.4:
                await redis.restart(draw.uniform(0.1, 8.0), wiped=draw.random() < 0.7)
            elif chance < 0.7:
                redis.wipe()
            else:
                await redis.fail_over(draw.uniform(0.0, self._faults.lag_s), draw.uniform(0.1, 2.0))

    # Of the ways between them.

    async def cut_off(self) -> None:
        """A node reaches the database no more, or Redis, or neither; or is not reached by them."""
        world, draw = self._world, self._draw
        while True:
            await self._wait(self._faults.cut_every_s)
            node = self._victim()
            if node is None:
                continue
            reaches = draw.choice(([node.to_database], [node.to_redis], [node.to_database, node.to_redis]))
            if not all(reach.is_whole for reach in reaches):
                continue
            speaks = draw.random() < 0.3
            hears = not speaks and draw.random() < 0.3
            world.timeline.note("cut off", f"of {len(reaches)}", f"{speaks=} {hears=}", who=node.name)
            for reach in reaches:
                reach.cut(speaks=speaks, hears=hears)
            await trio.sleep(draw.uniform(0.0, self._faults.cut_s))
            for reach in reaches:
                reach.mend()
            world.timeline.note("is not cut off any more", who=node.name)

    async def part(self) -> None:
        """A node does not hear another one."""
        world, draw = self._world, self._draw
        while True:
            await self._wait(self._faults.parted_every_s)
            if len(world.nodes) < 2:
                continue
            one, other = draw.sample(world.nodes, k=2)
            world.timeline.note("is not heard by", other.name, who=one.name)
            world.redis.cut(one.incarnation, other.incarnation)
            if draw.random() < 0.5:
                world.redis.cut(other.incarnation, one.incarnation)
            await trio.sleep(draw.uniform(0.0, self._faults.cut_s))
            world.redis.mend_ways()

    async def cut_wires(self) -> None:
        """A client's connection breaks."""
        world = self._world
        every_s = self._faults.reset_every_s
        while True:
            await self._wait(every_s / len(world.clients))
            alive = [one for one in world.connections if not one.broken]
            if alive:
                connection = self._draw.choice(alive)
                world.timeline.note("wire is cut", connection.number, who="world")
                connection.sever()
