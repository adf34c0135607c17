"""Each guard of several nodes, taken away, is missed: within SEEDS seeds the world shows it.

What shows it is never a copy of the guard: an answer older than what was told before, an event that happens twice, a
reply to another command, a watcher who is left behind. And it is the guard that was missed: with all of them the same
seed passes.
"""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors.model.lifecycle import Inspected
from greenroom.supervisors.cluster.lease import Lease
from greenroom.supervisors.cluster.witness import Witness
from greenroom.supervisors.correspondence.asking import Asking
from greenroom.supervisors.correspondence.feeds import Feeds
from greenroom.supervisors.correspondence.holding import Asked
from greenroom.supervisors.correspondence.wire import Feed
from greenroom.supervisors.simulation.troubles import Trouble
from greenroom.supervisors.simulation.world import World
from greenroom.testing import ALL_GUARDS, Faults, Guards
from greenroom.transports.bus.entries import Entry
from greenroom.transports.bus.link import Link
from greenroom.transports.hub.watching import Answered
from tests.simulation.ledger import READING, ledgers
from tests.simulation.nodes.several import CALM, ENTITIES, played, shared_out

SEEDS = 6
LOSSY = Faults(  # entries get lost, and links part
    crash_every_s=40.0,
    stop_every_s=20.0,
    stall_every_s=0.0,
    down_s=1.0,
    restart_every_s=0.0,
    failover_every_s=0.0,
    cut_every_s=15.0,
    cut_s=9.0,
    parted_every_s=8.0,
    redis_every_s=8.0,
    sluggish_every_s=0.0,
    entry_lost=0.1,
    entry_repeated=0.1,
    entry_late=0.05,
    entry_unsure=0.05,
    reset_every_s=20.0,
    latency_s=0.3,
    proven=1.0,
)
LOSSY_MINUTES = 0.7  # as long as what is drawn goes on; a trouble that is written down ends by itself
SLOW_WAYS = replace(CALM, latency_s=0.3)


async def loses_the_database(world: World) -> None:
    """One after another, while it goes on to speak to the others and to clients."""
    await shared_out(world)
    for _ in range(4):
        node = world.nodes[0]
        node.to_database.cut()
        await trio.sleep(14.0)
        node.to_database.mend()
        await trio.sleep(20.0)


async def the_database_is_away(world: World) -> None:
    """For longer than a lease, again and again: whoever is back first finds everybody's run out."""
    await shared_out(world)
    for down_s in (7.0, 6.0):
        await world.database.restart(down_s)
        await trio.sleep(7.0)
        assert "log: node_buried" not in world.timeline.counts


async def has_just_begun(world: World) -> None:
    """Everybody comes to watch while everybody speaks, and then nobody says any more."""
    await trio.sleep(2.5)


async def nodes_come_and_go(world: World) -> None:
    """So that entities are always on their way from one to another."""
    await shared_out(world)
    for _ in range(4):
        world.changing = True
        node = world.nodes[0]
        await node.drain(5.0)
        await world.bury(node)
        await world.start_node()
        world.changing = False
        await trio.sleep(3.0)


async def the_database_forgets(world: World) -> None:
    """What a newcomer was given is again with those who had it, and it can't read that, though it can claim."""
    await shared_out(world)
    for _ in range(2):
        world.changing = True
        await world.bury(world.nodes[0])
        newcomer = await world.start_node()
        world.changing = False
        while not newcomer.listening:  # noqa: ASYNC110 - virtual time
            await trio.sleep(0.1)
        world.database.fall_behind()
        await trio.sleep(12.0)
        world.database.promote()
        await world.database.restart(0.1)  # what is under way there reaches no other server
        assert newcomer._membership is not None
        newcomer._membership._referee._members.silent_until = trio.current_time() + 8.0  # type: ignore[attr-defined]
        await trio.sleep(12.0)


async def links_part(world: World) -> None:
    """Each node in turn is heard by the others, and does not hear them, until both ends give up."""
    await shared_out(world)
    for number in range(8):
        one = world.nodes[number % len(world.nodes)]
        for other in world.nodes:
            if other is not one:
                world.redis.cut(other.incarnation, one.incarnation)
        await trio.sleep(7.0)
        world.redis.mend_ways()
        await trio.sleep(3.0)


async def links_part_one_by_one(world: World) -> None:
    """Each in turn is cut in one direction for just as long as it takes until one of its ends gives up."""
    await shared_out(world)
    await trio.sleep(5.0)
    counts = world.timeline.counts
    for number in range(4):
        one, other = world.nodes[number % len(world.nodes)], world.nodes[(number + 1) % len(world.nodes)]
        before = counts.get("log: link_parted")
        world.redis.cut(other.incarnation, one.incarnation)
        while counts.get("log: link_parted") == before:  # noqa: ASYNC110 - virtual time
            await trio.sleep(0.02)
        world.redis.mend_ways()
        await trio.sleep(1.0)


def relies_for_ever(lease: Lease, at: float) -> None:
    lease._rely_until(float("inf"))
    lease._renewed.set()


def takes_whatever_comes(link: Link, entry: Entry, size: int) -> tuple[bool, list[bytes]]:
    """Neither what is missing nor what has come already is found out."""
    if entry.frames:
        link._received = max(link._received, entry.number - 1)
        entry.number = link._received + 1
    return arrived(link, entry, size)


def knows_one_life(link: Link, entry: Entry, size: int) -> tuple[bool, list[bytes]]:
    entry.beginning = link.beginning
    return arrived(link, entry, size)


arrived = Link.arrived


def takes_any(asking: Asking, node: int, number: int) -> Asked | None:
    """Whatever waits longest is taken to be answered."""
    pending = asking._pending.get(node)
    if not pending:
        return None
    asked = next(iter(pending.values()))
    asking._leave(asked)
    return asked


def feeds_nothing_yet(feeds: Feeds, entity: str, node: int, slot: Any) -> None:
    if feeds._catching_up.asks(entity, slot):
        before_inspect(feeds, entity, node, slot)


def feeds_when_answered(feeds: Feeds, entity: str, answered: Answered) -> Callable[[Inspected], None]:
    hears = before(feeds, entity, answered)

    def seen(answer: Inspected) -> None:
        feed, node = feeds._feeds.get(entity), feeds._ownership.owner(entity)
        if feed is not None and feed.node is None and node is not None and not feeds._ownership.owns(entity):
            feeds._send(node, Feed(entity, [one.principal for one in feeds._hub.subscribers(entity)]))
            feed.node = node
        hears(answer)

    return seen


before_inspect, before = Feeds.before_inspect, Feeds.before


class Removal(Struct):
    """A guard that is taken away by these patches, and the trouble in which it is missed."""

    patches: list[tuple[type, str, Any]]
    trouble: Trouble | None
    faults: Faults = CALM
    seed: int = 0  # of the first world in which it is; others are tried after it
    guards: Guards = ALL_GUARDS


REMOVALS = {
    "no answer without a lease": Removal([(Lease, "began", relies_for_ever)], loses_the_database),
    "the silent are seen to be silent": Removal(
        [(Witness, "may_bury", lambda witness, one, now: one.left_s <= 0)], the_database_is_away
    ),
    "entries have numbers": Removal([(Link, "arrived", takes_whatever_comes)], None, LOSSY, seed=1),
    "a link has lives": Removal([(Link, "arrived", knows_one_life)], links_part_one_by_one),
    "answers have numbers": Removal([(Asking, "_take", takes_any)], None, LOSSY),
    "only what has an id is repeated": Removal([(Asked, "may_be_repeated", True)], links_part, seed=4),
    "nothing overtakes what comes back": Removal(
        [(Asking, "keeps", lambda asking, entity: False)], nodes_come_and_go, SLOW_WAYS, seed=1
    ),
    "a feed is asked for before its entity": Removal(
        [(Feeds, "before_inspect", feeds_nothing_yet), (Feeds, "before", feeds_when_answered)],
        has_just_begun,
        SLOW_WAYS,
    ),
    "a feed is asked for again": Removal([(Feeds, "parted", lambda feeds, node: None)], links_part),
    "claims are under the shard's term": Removal([], the_database_forgets, seed=2, guards=Guards(term=False)),
}


def goes_wrong(removal: Removal, seed: int, guards: Guards) -> str | None:
    trouble = removal.trouble
    scenario = ledgers(
        4 if trouble is nodes_come_and_go else ENTITIES,
        clients=6,
        pace_s=0.3 if trouble is nodes_come_and_go else 1.0,
        reading=0.8 if trouble is loses_the_database else READING,
    )
    try:
        run = played(trouble, seed=seed, faults=removal.faults, scenario=scenario, guards=guards, minutes=LOSSY_MINUTES)
    except BaseExceptionGroup as errors:
        if errors.split(AssertionError)[1] is not None:
            raise
        return "what the trouble itself expects"
    return run.violations[0] if run.violations else None


@pytest.mark.parametrize("guard", REMOVALS)
def test_a_removed_guard_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    removal = REMOVALS[guard]
    seeds = [removal.seed, *(seed for seed in range(SEEDS) if seed != removal.seed)]
    with monkeypatch.context() as patched:
        for patch in removal.patches:
            patched.setattr(*patch)
        missed = next(seed for seed in seeds if goes_wrong(removal, seed, removal.guards) is not None)
    assert goes_wrong(removal, missed, ALL_GUARDS) is None
