"""Ready means what serving needs: to read, to claim and to write, over the connections that do so."""

from functools import partial
from typing import Any

import trio
import trio.testing

from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.group import NARROW_S
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.node.health import FRESH_S, STORE_S, Health, Pulse
from tests.store.postgres.peers.strict_proxy import strict_proxy


class Bus:
    healthy = True


def health_of(probe: Any) -> Health:
    instruments = Instruments()
    pulse = Pulse(incarnation=1, url="", version="0", clock=lambda: 0.0, instruments=instruments)
    health = Health(pulse, instruments, probe, Bus(), shards=1)
    health.serving = True
    return health


async def test_a_limit_that_leaves_some_connections_out_is_not_ready(database_url: str) -> None:
    """One for a reader, one for claims, two for the lanes."""
    async with strict_proxy(database_url, connections_max=3) as proxy, Bridge() as bridge:
        async with Pool(bridge, proxy.url, incarnation=1, connect_s=1.0) as pool:
            journal = PostgresJournal(pool, incarnation=1)
            health = health_of(partial(journal.probe, lanes=2))
            assert await health.ready() == (False, {"store": "not reached", "redis": "ok", "draining": False})
            proxy.connections_max = None
            await trio.sleep(max(FRESH_S, NARROW_S))  # Postgres' clock, so to say
            assert (await health.ready())[0] is True
            assert proxy.open == 4


async def test_what_can_be_read_and_not_written_is_not_ready(database_url: str) -> None:
    async with strict_proxy(database_url, read_only=True) as standby, Bridge() as bridge:
        async with Pool(bridge, standby.url, incarnation=1) as pool:
            journal = PostgresJournal(pool, incarnation=1)
            health = health_of(partial(journal.probe, lanes=1))
            assert (await health.ready())[0] is False


async def test_a_store_that_says_nothing_is_not_ready_in_time(autojump_clock: trio.testing.MockClock) -> None:
    health = health_of(trio.sleep_forever)
    assert await health.ready() == (False, {"store": "not reached", "redis": "ok", "draining": False})
    assert trio.current_time() == STORE_S


async def test_many_who_ask_are_one_question_to_the_store(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[float] = []

    async def probe() -> None:
        asked.append(trio.current_time())
        await trio.sleep(0.1)
        if len(asked) == 2:
            raise StoreUnavailable("away")

    health = health_of(probe)
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(health.ready)
    assert asked == [0.0]
    assert (await health.ready())[0] is True
    await trio.sleep(FRESH_S)
    assert (await health.ready())[0] is False
    assert len(asked) == 2


def test_what_is_known_of_other_nodes_stands_beside_what_is_its_own() -> None:
    instruments = Instruments()
    pulse = Pulse(incarnation=1, url="", version="0", clock=lambda: 0.0, instruments=instruments)
    of_many = Health(pulse, instruments, trio.sleep_forever, Bus(), shards=1, joined=lambda: {"links": "ok"})
    alone = health_of(trio.sleep_forever).health()
    of_many.serving = True
    assert of_many.health() == {**alone, "links": "ok"}
