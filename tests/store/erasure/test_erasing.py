"""Erasing an entity: nothing of it is left anywhere in the database, and it does not come back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import trio

from greenroom import Batch, Sink
from greenroom.actors.model.errors import Forgotten
from greenroom.store.erasure.erasing import Erasing
from greenroom.store.erasure.erasures import Erasure, PostgresErasures
from greenroom.store.erasure.remaking import Waits
from greenroom.store.errors import Erased
from greenroom.store.journal.dead_letters import DeadLetter, Which
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.supervisors.duties.forgetting import Forgetting
from tests.actors.views.shows import Clap, Clapped, Directory, Everything, Rename, Standings
from tests.store.erasure.database import places_of
from tests.supervisors.views.stage import Stage, stage, until

SECRET = "rumpelstiltskin"


class Shelf(Standings, name="shelf"):
    """As Standings, and says whose its rows are."""

    entity_key = "show"


@asynccontextmanager
async def forgetful(database_url: str, *views: Any) -> AsyncIterator[Stage]:
    """A node that hears of erasures."""
    async with stage(database_url, *views) as node, trio.open_nursery() as nursery:
        erasures = PostgresErasures(node.pool)
        forgetting = Forgetting(erasures, node.kernel, incarnation=node.number, unwatch=lambda _: None)
        await nursery.start(forgetting.run)
        yield node
        nursery.cancel_scope.cancel()


async def begin(node: Stage, entity: str) -> Erasure:
    erasure = await PostgresErasures(node.pool).begin(entity, reason="asked to", asked_by="ann")
    assert erasure is not None
    return erasure


async def erase(node: Stage, entity: str) -> Erasure:
    erasure = await begin(node, entity)
    await Erasing(node.pool, erasure, lambda *_: None).run()
    done = await PostgresErasures(node.pool).find(entity)
    assert done is not None and done.done_ms is not None
    return done


async def fill(node: Stage, show: str = SECRET) -> None:
    """An entity with something in every table."""
    await node.clap(show, SECRET, 3)
    await node.rename(show, f"the {SECRET} show")
    await node.clap("other", "bob", 2)
    letter = DeadLetter.of(f"show:{show}", Clap(user=SECRET), SECRET, ValueError(SECRET), None, 3)
    await PostgresDeadLetters(node.pool).add(letter)
    ((head_id,),) = await node.pool.fetch("SELECT id FROM heads WHERE entity = $1", f"show:{show}")
    secret = SECRET.encode()
    await node.pool.fetch("INSERT INTO timers (id, name, due_ms, body) VALUES ($1, $2, 1 << 60, $2)", head_id, secret)
    await node.pool.fetch(
        "INSERT INTO kept_ids (id, command_id, reply, at_ms) VALUES ($1, $2, $2, 1 << 60)", head_id, secret
    )
    await node.pool.fetch('INSERT INTO snapshots (id, fence, "offset", body) VALUES ($1, 0, 0, $2)', head_id, secret)


async def test_nothing_of_it_is_left_in_the_database(database_url: str) -> None:
    async with forgetful(database_url, Shelf, Standings, Directory, Everything) as node:
        await fill(node)
        for view in ("shelf", "standings", "shows", "everything"):
            await node.folded(view)
        before = await places_of(node.pool, SECRET)
        assert {one.split(".")[1] for one in before} >= {"heads", "journal", "snapshots", "kept_ids", "dead_letters"}
        assert {one.split(".")[1] for one in before if one.startswith("views.")} >= {"shelf", "standings", "shows"}

        done = await erase(node, f"show:{SECRET}")

        assert await places_of(node.pool, SECRET) == []
        assert done.did.count("shelf") == 0
        assert await node.rows("shelf") == await node.rows("standings") == [("other", "bob", 2)]
        assert await node.rows("everything") == [("claps", 2)]
        with pytest.raises(Forgotten):
            await node.clap(SECRET, "ann")
        assert await places_of(node.pool, SECRET) == []
        await node.clap("other", "bob", 1)  # others go on
        await node.folded("everything")
        assert await node.rows("everything") == [("claps", 3)]


async def test_what_is_awake_ends_and_whoever_asks_is_told(database_url: str) -> None:
    async with forgetful(database_url) as node:
        await node.clap("a", "ann")
        assert node.kernel.is_present("show:a")
        await begin(node, "show:a")
        with pytest.raises(Forgotten):
            while True:
                await node.kernel.router.ask("show:a", Rename(title="b"))
        await until(lambda: _is(not node.kernel.is_present("show:a")))


async def test_a_late_append_a_late_claim_and_a_late_letter_bring_nothing_back(database_url: str) -> None:
    async with forgetful(database_url) as node:
        journal = PostgresJournal(node.pool, incarnation=77)
        (claimed,) = await journal.claim({"show:b": 0}, window=0)
        assert isinstance(claimed, Claimed)
        head = claimed.head
        append = Append(head.id, head.fence, 0, [StoredEvent(1, 1, b"{}")])
        await begin(node, "show:b")
        assert await journal.append([append]) == [Outcome.FENCED]
        assert not await journal.save_snapshot(head.id, fence=head.fence, offset=0, body=b"{}")
        (refused,) = await journal.claim({"show:b": 7}, window=0)
        assert isinstance(refused, Erased)
        await erase(node, "show:b")
        assert await journal.append([append]) == [Outcome.FENCED]
        (refused,) = await journal.claim({"show:b": 7}, window=0, above={"show:b": head.fence})
        assert isinstance(refused, Erased)
        letters = PostgresDeadLetters(node.pool)
        await letters.add(DeadLetter.of("show:b", Clap(user="ann"), "ann", ValueError(), None, 3))
        assert await letters.list(limit=10, which=Which(entity="show:b")) == []
        assert await node.pool.fetch("SELECT 1 FROM heads WHERE entity = 'show:b'") == []


async def test_a_claim_that_began_before_does_not_make_it_anew(database_url: str) -> None:
    """Its snapshot still has the head; it waits for that row, and then finds it gone."""
    async with forgetful(database_url) as node:
        await node.clap("c", "ann")
        erasure = await begin(node, "show:c")
        await until(lambda: _heard(node, erasure))
        erasing = Erasing(node.pool, erasure, lambda *_: None, patience_s=0.2)
        with pytest.raises(Waits, match="still writes heads"):
            async with node.pool.connection() as connection, connection.transaction() as transaction:
                await transaction.fetch("UPDATE heads SET claimed_ms = claimed_ms WHERE entity = 'show:nobody'")
                await erasing.run()
        assert await node.pool.fetch("SELECT 1 FROM heads WHERE entity = 'show:c'")
        await erasing.run()
        assert not await node.pool.fetch("SELECT 1 FROM heads WHERE entity = 'show:c'")


async def test_a_node_that_has_not_heard_is_waited_for(database_url: str) -> None:
    async with stage(database_url) as node:  # its duty does not run
        await node.clap("d", "ann")
        erasure = await begin(node, "show:d")
        with pytest.raises(Waits, match="did not say"):
            await Erasing(node.pool, erasure, lambda *_: None, patience_s=0.3).run()
        assert await node.pool.fetch("SELECT 1 FROM journal WHERE id = $1", erasure.head_id)


class Ended(Exception):
    """The process was ended here."""


async def test_it_is_gone_on_with_wherever_it_was_ended(database_url: str) -> None:
    async with forgetful(database_url, Shelf, Directory) as node:
        await fill(node)
        await node.folded("shelf")
        await node.folded("shows")
        await begin(node, f"show:{SECRET}")
        steps = 0
        while True:
            left = steps

            class Short:
                """A pool that ends after so many statements."""

                def __init__(self, pool: Any) -> None:
                    self._pool = pool

                async def fetch(self, sql: str, *args: object) -> Any:
                    nonlocal left
                    if left == 0:
                        raise Ended
                    left -= 1
                    return await self._pool.fetch(sql, *args)

                @asynccontextmanager
                async def connection(self) -> AsyncIterator[Any]:
                    nonlocal left
                    if left == 0:
                        raise Ended
                    left -= 1
                    async with self._pool.connection() as connection:
                        yield connection

            short: Any = Short(node.pool)
            erasure = await PostgresErasures(node.pool).find(f"show:{SECRET}")
            assert erasure is not None
            try:
                await Erasing(short, erasure, lambda *_: None).run()
            except Ended:
                steps += 3
                continue
            break
        assert steps > 10
        assert await places_of(node.pool, SECRET) == []
        assert await node.rows("shows") == [("other", "", 2, '["bob"]')]
        done = await PostgresErasures(node.pool).find(f"show:{SECRET}")
        assert done is not None
        assert '"journal": 2' in done.did and '"view_rows": 1' in done.did
        assert [one.state for one in await node.runners.versions.all()] == ["live", "live"]


async def _heard(node: Stage, erasure: Erasure) -> bool:
    return not await PostgresErasures(node.pool).deaf(erasure)


async def _is(so: bool) -> bool:
    return so


class Noting(Sink):
    """Notes what is delivered."""

    of = (Clapped,)
    came: ClassVar[list[tuple[str, int]]] = []

    async def deliver(self, batch: Batch) -> None:
        self.came.extend((of.entity, of.offset) for _, of in batch)


async def test_a_sink_is_delivered_nothing_again(database_url: str) -> None:
    """It has no table that could be made anew; what others have is delivered once."""
    Noting.came.clear()
    async with forgetful(database_url, Noting) as node:
        await node.clap(SECRET, "ann", 1)
        await node.clap("other", "ann", 1)
        await node.folded("noting")
        await erase(node, f"show:{SECRET}")
        await node.runners.versions.ring("noting")
        await node.clap("other", "ann", 1)
        await node.folded("noting")
        assert [one.build for one in await node.runners.versions.all()] == [1]
    assert sorted(Noting.came) == [("show:other", 1), ("show:other", 2), (f"show:{SECRET}", 1)]


async def test_messages_that_only_name_it_and_come_later_are_not_waited_for(database_url: str) -> None:
    """Names begin as others do, and a busy entity's outbox is never empty."""
    async with forgetful(database_url) as node, trio.open_nursery() as nursery:
        await node.clap(SECRET, "ann", 1)
        erasing = Erasing(node.pool, await begin(node, f"show:{SECRET}"), lambda *_: None, patience_s=5.0)
        there = 'INSERT INTO outbox (id, "offset", body) VALUES (0, $1, $2)'

        async def one_after_another(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            body = f"show:{SECRET}-and-another".encode()
            await node.pool.fetch(there, 0, body)
            task_status.started()
            for offset in range(1, 1_000_000):
                await node.pool.fetch(there, offset, body)
                await node.pool.fetch('DELETE FROM outbox WHERE id = 0 AND "offset" = $1', offset - 1)

        await nursery.start(one_after_another)
        await erasing.run()
        nursery.cancel_scope.cancel()


async def test_rows_of_one_whose_key_is_the_others_name_stay(database_url: str) -> None:
    async with forgetful(database_url, Shelf) as node:
        for show in ("a", "show:a"):
            await node.clap(show, "ann")
        await node.folded("shelf")
        assert len(await node.rows("shelf")) == 2
        for show, left in (("a", [("show:a", "ann", 1)]), ("show:a", [])):
            await erase(node, f"show:{show}")
            assert await node.rows("shelf") == left
