"""What views are known to lose or to count twice, elsewhere: each of these on a real Postgres."""

from collections import Counter
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
import trio
from msgspec import Struct

from greenroom import Key, Origin, View
from greenroom.store.errors import StoreUnavailable
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.views.store import Version
from tests.actors.views.shows import Clapped, Directory, Everything, Standings, stretch
from tests.supervisors.views.stage import Stage, record, stage, until


class Second(View, name="standings", version=2):
    """Standings with one more field."""

    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        user: Key[str]
        claps: int = 0
        times: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.row(show=of.key, user=event.user)
        row.claps += event.times
        row.times += 1


async def truth(node: Stage) -> Counter[tuple[str, str]]:
    """What the journal says that standings are."""
    found: Counter[tuple[str, str]] = Counter()
    for entity, payload in await node.pool.fetch("SELECT h.entity, j.payload FROM journal j JOIN heads h USING (id)"):
        event = msgspec.json.decode(payload)
        found[entity.partition(":")[2], event["user"]] += event["times"]
    return found


async def held(node: Stage, version: Version) -> Counter[tuple[str, str]]:
    return Counter({(row[0], row[1]): row[2] for row in await node.rows_of(version)})


async def clap_on(node: Stage, seed: int, stop: trio.Event) -> None:
    """Users clap at shows until told to stop."""
    rng = Random(seed)
    while not stop.is_set():
        await node.clap(f"{seed}-{rng.randrange(20)}", f"user{rng.randrange(5)}", rng.randrange(1, 9))


async def is_live(node: Stage, number: int) -> bool:
    return (await node.version("standings")).version == number


async def test_a_version_is_filled_under_full_load_and_lacks_nothing(database_url: str) -> None:
    """A node of the release before goes on writing, and keeps its own table up, for entities of both nodes. Once it has
    gone the other's table takes its place."""
    stop = trio.Event()
    async with stage(database_url, Second, is_running=False, is_installed=False) as newer:
        async with stage(database_url, Standings) as older, trio.open_nursery() as nursery:
            for number in range(100):
                await record(older.pool, f"show:before{number}", *(Clapped(user="ann", times=2) for _ in range(20)))
            await newer.runners.install()
            await newer.be_up()
            assert (await newer.version("standings", 2)).state == "filling"
            nursery.start_soon(clap_on, older, 1, stop)
            nursery.start_soon(clap_on, newer, 2, stop)
            async with trio.open_nursery() as running:
                await running.start(newer.runners.run)
                await until(lambda: has_those_of(older, "2-"))
                assert (await newer.version("standings")).version == 1  # not while the other is up
                running.cancel_scope.cancel()
            stop.set()
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(newer.runners.run)
            nursery.start_soon(clap_on, newer, 3, stop)
            await until(lambda: is_live(newer, 2), 60)
            stop.set()
            await newer.folded("standings", 2)
            assert await held(newer, await newer.version("standings", 2)) == await truth(newer)
            nursery.cancel_scope.cancel()


async def has_those_of(node: Stage, show: str) -> bool:
    """Are there rows of shows that another node owns?"""
    return any(row[0].startswith(show) for row in await node.rows("standings"))


async def test_a_rebuild_is_finished_whenever_it_is_killed(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        for number in range(300):
            await record(node.pool, f"show:{number}", *(Clapped(user=f"user{n % 3}") for n in range(30)))
        await node.runners.versions.ring("standings")
        await node.folded("standings")
    rng = Random(3)
    lives = 0
    while True:
        lives += 1
        assert lives < 60
        async with stage(database_url, Second) as node:
            with trio.move_on_after(rng.uniform(0.0, 0.6) if lives < 12 else 60):
                await until(lambda: is_live(node, 2), 60)
            if await is_live(node, 2):
                await node.folded("standings", 2)
                assert await held(node, await node.version("standings", 2)) == await truth(node)
                break
    assert lives > 1


async def test_two_that_are_made_of_the_same_events_are_the_same(database_url: str) -> None:
    async with stage(database_url, Directory, Everything) as node:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clap_on, node, 1, stop)
            await trio.sleep(0.5)
            await node.rename("1-3", "Three")
            stop.set()
        for name in ("shows", "everything"):
            await node.folded(name)
            live = await node.version(name)
            built = await node.runners.rebuild(name)
            await until(lambda: has_switched(node, name, built.build))  # noqa: B023
            assert await node.rows_of(await node.version(name)) == await node.rows_of(live) != []


async def has_switched(node: Stage, name: str, build: int) -> bool:
    return (await node.version(name)).build == build


async def test_what_commits_late_is_not_passed_over_and_holds_up_nobody(database_url: str) -> None:
    async with stage(database_url, Standings) as node, Bridge() as bridge:
        await node.clap("warm", "ann", 1)
        late = await bridge.run(asyncpg.connect, database_url)
        await bridge.run(late.execute, "BEGIN; SELECT pg_current_xact_id()")
        await bridge.run(
            late.execute,
            """
            INSERT INTO heads (entity, fence, incarnation, epoch, "offset", lineage)
                VALUES ('show:late', 1, 1, 'e', 1, lineage());
            INSERT INTO journal (id, "offset", fence, at_ms, payload)
                SELECT id, 1, 1, 1, '{"type":"show.clapped","user":"late","times":1}' FROM heads
                WHERE entity = 'show:late'
            """,
        )
        for number in range(20):
            await node.clap(f"show{number}", "ann", 1)
        with trio.fail_after(20):
            await node.folded("standings")
        assert len(await node.rows("standings")) == 21
        await bridge.run(late.execute, "COMMIT")
        await bridge.run(late.close)
        await node.runners.versions.ring("standings")
        await node.folded("standings")
        assert ("late", "late", 1) in await node.rows("standings")


async def test_retention_waits_for_what_a_view_has_not_folded(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("standings")
        await node.runners.versions.pause("standings", paused=True)
        node.runners.look_soon()
        await until(lambda: is_paused(node))
        for _ in range(5):
            await node.clap("finale", "ann", 1)
        head_id, fence = (await node.pool.fetch("SELECT id, fence FROM heads WHERE entity = 'show:finale'"))[0]
        assert await node.journal.save_snapshot(head_id, fence=fence, offset=6, body=b'{"total":6}')
        assert (await node.journal.trim(head_id, keep_count=0, keep_after_ms=0, ids_after_ms=0)).through == 1
        await node.runners.versions.pause("standings", paused=False)
        await node.folded("standings")
        assert (await node.journal.trim(head_id, keep_count=0, keep_after_ms=0, ids_after_ms=0)).through == 6
        assert await node.rows("standings") == [("finale", "ann", 6)]


async def is_paused(node: Stage) -> bool:
    return all(one.runner.version.paused for one in node.runners.filled.values())


async def test_what_a_failover_has_lost_is_not_in_the_rows(database_url: str) -> None:
    """A hint of an append that the server which took over does not have, and then another event in its place."""
    async with stage(database_url, Standings) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("standings")
        (runner,) = [one.runner for one in node.runners.filled.values()]
        head_id, fence = (await node.pool.fetch("SELECT id, fence FROM heads WHERE entity = 'show:finale'"))[0]
        lost = Clapped(user="lost", times=9)
        runner.backlog.hear(stretch("show:finale", lost, after=1, head_id=head_id, fence=fence))
        await trio.sleep(0.3)
        assert await node.rows("standings") == [("finale", "ann", 1)]
        await record(node.pool, "show:finale", Clapped(user="bob"))
        await node.runners.versions.ring("standings")
        await node.folded("standings")
        assert await node.rows("standings") == [("finale", "ann", 1), ("finale", "bob", 1)]


async def test_two_that_wait_for_one_another_are_both_done(database_url: str) -> None:
    """A fold that names rows by what is in others locks them in any order; the server ends one of two that wait for
    each other, and it is done again."""

    class Crossing(View, name="crossing"):
        of = (Clapped,)

        class Row(Struct):
            key: Key[str]
            claps: int = 0
            other: str = ""

        def fold(self, event: Clapped, of: Origin) -> None:
            row = self.row(key=event.user)
            row.other = "b" if event.user == "a" else "a"
            row.claps += 1
            if row.claps > 1:
                self.row(key=row.other).claps += 1

    async with stage(database_url, Crossing) as one, stage(database_url, Crossing) as other:
        for node, user in ((one, "a"), (other, "b")):
            await node.clap(f"first-{user}", user, 1)
        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(one.clap, f"one{number % 3}", "a", 1)
                nursery.start_soon(other.clap, f"other{number % 3}", "b", 1)
        await one.folded("crossing")
        counts = {row[0]: row[1] for row in await one.rows("crossing")}
    assert counts.keys() == {"a", "b"}
    # Of 62 events all add one, and all but the first of a row another one; that may be so of one row only.
    assert 62 + 60 <= sum(counts.values()) <= 62 + 61


async def test_a_server_that_is_killed_in_the_middle_makes_views_late(
    own_servers: OwnServers, database_url: str
) -> None:
    async with stage(database_url, Standings) as node:
        for number in range(300):
            await record(node.pool, f"show:{number}", *(Clapped(user="ann") for _ in range(30)))
    async with stage(database_url, Second) as node:
        await trio.sleep(0.3)
        own_servers.restart_postgres(crash=True)
        await until(lambda: lives(node, 2), 60)
        await node.folded("standings", 2)
        assert await held(node, await node.version("standings", 2)) == await truth(node)


async def lives(node: Stage, number: int) -> bool:
    try:
        return await is_live(node, number)
    except StoreUnavailable:
        return False


@pytest.mark.parametrize("version", [Standings, Second])
async def test_a_release_that_is_taken_back_goes_on_with_its_table(database_url: str, version: Any) -> None:
    async with stage(database_url, Standings) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("standings")
    async with stage(database_url, Second) as node:
        await until(lambda: is_live(node, 2))
    async with stage(database_url, version) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("standings", version.version)
        row = (await node.rows_of(await node.version("standings", version.version)))[0]
        assert row[:3] == ("finale", "ann", 2)
