"""Each guard of several nodes, taken away, is missed: within a few seeds the world shows it.

What shows it is never a copy of the guard: an answer older than what was told before, an event that happens twice, a
reply to another command, a watcher who is left behind.
"""

from collections.abc import Callable
from typing import Any

import pytest
import trio

from greenroom.actors.model.lifecycle import Inspected
from greenroom.supervisors.cluster.holdings import Holdings
from greenroom.supervisors.cluster.membership import Membership
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
from tests.simulation.ledger import ledgers
from tests.simulation.several import ENTITIES, owners, played, shared_out

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
FORGETFUL = Faults(  # a database that forgets who owns what
    crash_every_s=40.0,
    stop_every_s=10.0,
    stall_every_s=0.0,
    down_s=1.0,
    lost=0.1,
    restart_every_s=0.0,
    failover_every_s=8.0,
    lost_tail=1.0,
    lag_s=6.0,
    cut_every_s=20.0,
    parted_every_s=0.0,
    redis_every_s=0.0,
    sluggish_every_s=0.0,
    proven=1.0,
)


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
    await shared_out(world)
    before = owners(world)
    await world.database.restart(7.0)
    await trio.sleep(10.0)
    assert owners(world) == before


def relies_for_ever(membership: Membership, began: float) -> None:
    membership.valid_until = float("inf")
    membership._renewed.set()


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

Guard = list[tuple[type, str, Any]]
IN_THE_RUNTIME: dict[str, tuple[Guard, Trouble | None, Faults | None]] = {
    "no answer without a lease": ([(Membership, "_rely_since", relies_for_ever)], loses_the_database, None),
    "the silent are seen to be silent": (
        [(Witness, "may_bury", lambda witness, one, now: one.left_s <= 0)],
        the_database_is_away,
        None,
    ),
    "what was another's is built anew": ([(Holdings, "take_overtaken", lambda holdings: set())], None, FORGETFUL),
    "entries have numbers": ([(Link, "arrived", takes_whatever_comes)], None, LOSSY),
    "a link has lives": ([(Link, "arrived", knows_one_life)], None, LOSSY),
    "answers have numbers": ([(Asking, "_take", takes_any)], None, LOSSY),
    "only what has an id is repeated": ([(Asked, "may_be_repeated", True)], None, LOSSY),
    "nothing overtakes what comes back": ([(Asking, "keeps", lambda asking, entity: False)], None, LOSSY),
    "a feed is asked for before its entity": (
        [(Feeds, "before_inspect", feeds_nothing_yet), (Feeds, "before", feeds_when_answered)],
        None,
        LOSSY,
    ),
    "a feed is asked for again": ([(Feeds, "parted", lambda feeds, node: None)], None, LOSSY),
}
IN_THE_DATABASE = [("term", FORGETFUL)]


def goes_wrong(trouble: Trouble | None, faults: Faults | None, seed: int, guards: Guards = ALL_GUARDS) -> str | None:
    scenario = ledgers(ENTITIES, clients=6, pace_s=1.0)
    how: dict[str, Any] = {} if faults is None else {"faults": faults}
    try:
        run = played(trouble, seed=seed, guards=guards, scenario=scenario, minutes=2.0, **how)
    except BaseExceptionGroup as errors:
        if errors.split(AssertionError)[1] is not None:
            raise
        return "what the trouble itself expects"
    return run.violations[0] if run.violations else None


def missed(trouble: Trouble | None, faults: Faults | None, guards: Guards = ALL_GUARDS) -> bool:
    return any(goes_wrong(trouble, faults, seed, guards) is not None for seed in range(SEEDS))


@pytest.mark.parametrize("guard", IN_THE_RUNTIME)
def test_a_removed_guard_of_the_runtime_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patches, trouble, faults = IN_THE_RUNTIME[guard]
    for patch in patches:
        monkeypatch.setattr(*patch)
    assert missed(trouble, faults)


@pytest.mark.parametrize(("guard", "faults"), IN_THE_DATABASE)
def test_a_removed_guard_of_the_database_is_missed(guard: str, faults: Faults) -> None:
    assert missed(None, faults, Guards(**{guard: False}))


WAYS: list[Callable[[], tuple[Trouble | None, Faults | None]]] = [
    lambda: (loses_the_database, None),
    lambda: (the_database_is_away, None),
    lambda: (None, LOSSY),
    lambda: (None, FORGETFUL),
]


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_with_all_guards_the_same_seeds_pass(way: int) -> None:
    for seed in range(SEEDS):
        assert goes_wrong(*WAYS[way](), seed) is None
