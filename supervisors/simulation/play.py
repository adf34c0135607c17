"""The play: a world from its beginning, through trouble and calm, to its end or to its first violation."""

from functools import partial

import trio

from greenroom.supervisors.simulation.faults import NO_FAULTS
from greenroom.supervisors.simulation.troubles import DRAIN_S, Trouble
from greenroom.supervisors.simulation.views.troubles import ViewTroubles
from greenroom.supervisors.simulation.views.truth import Truth
from greenroom.supervisors.simulation.world import World

SETTLE_S = 60.0  # once faults have stopped, everything must be resolved within so long
# Likewise, where there are views: what nobody has heard of is found by the next sweep.
SETTLE_VIEWS_S = 150.0
# Or jobs: they are tried again, and where workers died all the time hundreds wait, one after the other within a key.
SETTLE_JOBS_S = 300.0
CHECK_S = 5.0  # between two looks at everything


async def play(world: World, trouble: Trouble) -> None:
    """Everything. Once `trouble` has returned, all that was begun must come to an end."""
    with world.scope:
        async with trio.open_nursery() as nursery:  # owner: this call; it ends with the world
            world.nursery = nursery
            await nursery.start(world.database.run)
            for _ in range(world.nodes_wanted):
                await world.start_node()
            for client in world.clients:
                nursery.start_soon(client.run, name=client.user)
            nursery.start_soon(_look, world)
            if world.nodes_wanted > 1:
                nursery.start_soon(_replace, world)
            operating = trio.CancelScope()
            if world.jobs is not None:
                nursery.start_soon(_keep_crews, world)
                nursery.start_soon(_operate, world, operating)
            try:
                await trouble(world)
            except BaseException:  # what it expects has not come about
                world.stop_all()
                raise
            operating.cancel()
            await _settle(world)
            await _end(world)
            nursery.cancel_scope.cancel()


async def _look(world: World) -> None:
    while True:
        await trio.sleep(CHECK_S)
        world.check()


async def _replace(world: World) -> None:
    """What supervises the processes: one that has ended by itself is started anew."""
    while True:
        await trio.sleep(1.0)
        if world.changing:
            continue
        for node in world.nodes[:]:
            if node.ended.is_set():
                await world.bury(node)
        for _ in range(world.nodes_wanted - len(world.nodes)):
            await trio.sleep(world.draw.uniform(0.0, world.faults.down_s))
            await world.start_node()


async def _operate(world: World, operating: trio.CancelScope) -> None:
    """What is done from outside, until faults stop."""
    with operating:
        async with trio.open_nursery() as nursery:  # owner: this call
            for operate in world.scenario.operators(world):
                nursery.start_soon(operate)


async def _keep_crews(world: World) -> None:
    """Another one for each that has ended."""
    while True:
        for crew in world.crews[:]:
            if crew.ended.is_set():
                await world.bury_crew(crew)
        for _ in range(world.crews_wanted - len(world.crews)):
            world.start_crew()
        await trio.sleep(1.0)


async def _settle(world: World) -> None:
    """No more trouble: nodes that go on, a database that answers, and clients that only finish."""
    world.timeline.note("calm", who="world")
    world.changing = False  # whoever was about to replace a node does so no more
    world.database.calm()
    world.redis.set_weather(NO_FAULTS)
    world.redis.mend()
    for crew in world.crews:
        world.resume(crew)
        crew.outside.reach.mend()
    for node in world.nodes:
        world.resume(node)
        node.to_database.mend()
        node.to_redis.mend()
    staying = [node for node in world.nodes if node.listening and not node.dead and node.is_of(world.release)]
    haunted = world.haunted
    if world.nodes_wanted == 1 and (len(world.nodes) > 1 or (haunted is not None and haunted in world.nodes)):
        # Of an entity that nobody speaks to, a zombie's successor does not hear what the zombie wrote: where shards
        # have no owners, the two of them can only be replaced.
        staying = []
    for node in world.nodes[:]:
        if node not in staying:
            await world.bury(node)
    world.clocks_right = world.jobs is not None  # what is due by a clock that is ahead would be waited for
    for node in world.nodes:
        node.spare()
        if world.clocks_right:
            node.set_right()
    if not world.nodes and world.nodes_wanted == 1:
        await world.start_node()
    for client in world.clients:
        client.calm()
    if world.truth is not None and world.nursery is not None:
        world.nursery.start_soon(ViewTroubles(world).end)
    if world.scenario.tidy is not None and world.nursery is not None:
        world.nursery.start_soon(world.scenario.tidy, world)
    left = partial(_unsettled, world)
    settle_s = SETTLE_JOBS_S if world.jobs is not None else SETTLE_VIEWS_S if world.truth is not None else SETTLE_S
    with trio.move_on_after(world.scenario.settle_s or settle_s):
        while left():  # noqa: ASYNC110 - nobody could say when all of it is
            await trio.sleep(0.5)
        return
    world.checker.violated("calm resolves everything", *left())


def _unsettled(world: World) -> list[str]:
    checker = world.checker
    left: list[str] = []
    for client in world.clients:
        left += [f"{client.user}: {pending.method} {pending.key} is not answered" for pending in client.pending]
        for channel, position in client.positions.items():
            if position.wanted and not position.live:
                left.append(f"{client.user} is not subscribed to {channel}")
            elif not position.wanted or not checker.is_durable(channel):
                continue
            elif not checker.may_skip_to(channel, position.offset, checker.offset(channel)):
                left.append(f"{client.user} is at {position.offset} of {channel}")
            elif checker.epoch(channel) not in ("", position.epoch):
                left.append(f"{client.user} is at an epoch of {channel} that has ended")
    for node in world.nodes:
        left += node.under_way()
    if world.nodes_wanted > 1:
        left += _shared(world)
    if world.database.busy:
        left.append("rows are locked")
    for entity, row in world.database.rows.by_entity.items():
        left += [f"{entity}: what it sent at {offset:#x} is not delivered" for offset in row.outbox]
    if checker.audit is not None:
        left += checker.audit.unsettled()
    if world.truth is not None:
        left += _views(world, world.truth)
    streams = checker.streams.items()
    states = {entity: one.fold.state for entity, one in streams if one.fold is not None and one.fold.durable}
    return left or world.unfinished(states)


def _views(world: World, truth: Truth) -> list[str]:
    """Every table of the present release is live and whole, and whoever watches a page knows it."""
    left = truth.unsettled(world.checker.journals(), world.release)
    if left:
        return left
    for client in world.clients:
        for channel, page in client.pages.items():
            differs = truth.page_differs(channel, page) if client.positions[channel].wanted else None
            if differs is not None:
                left.append(f"{client.user} {differs} on {channel}")
    return left


def _shared(world: World) -> list[str]:
    """Of several nodes: all are there, each entity is on one of them, and knows who watches it on any."""
    left = [f"{node.name} does not serve" for node in world.nodes if not node.listening]
    if len(world.nodes) < world.nodes_wanted:
        left.append(f"there are {len(world.nodes)} nodes")
    watchers: dict[str, set[str]] = {}
    for client in world.clients:
        for channel, position in client.positions.items():
            if position.live:
                watchers.setdefault(channel, set()).add(client.client_id)
    for channel, watching in sorted(watchers.items()):
        owners = [node for node in world.nodes if node.owns(channel)]
        if len(owners) != 1:
            left.append(f"{channel} lives on {[node.name for node in owners]}")
        elif owners[0].audience(channel) != watching:
            known = sorted(owners[0].audience(channel))
            left.append(f"{channel} is watched by {sorted(watching)}, and knows of {known}")
    return left


async def _end(world: World) -> None:
    """Stop as one should, one node after another, and look at what is left."""
    world.check()
    world.nodes_wanted = world.crews_wanted = 0  # nobody is replaced any more
    for crew in world.crews[:]:
        crew.stop()
        with trio.move_on_after(DRAIN_S * 2) as scope:
            await crew.ended.wait()
        if scope.cancelled_caught:
            world.checker.violated("a worker stops in time", crew.name)
        await world.bury_crew(crew)
    for node in reversed(world.nodes[:]):
        with trio.move_on_after(DRAIN_S * 2) as scope:
            await node.drain(DRAIN_S)
        if scope.cancelled_caught:
            world.checker.violated("a node stops in time", node.name)
        await world.bury(node)
    world.checker.stored(world.database.rows)
