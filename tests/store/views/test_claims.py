"""Claims on a real Postgres: who has lost one notes nothing by it."""

from greenroom.store.views.claims import PostgresClaims, Settled
from greenroom.store.views.store import Version
from tests.supervisors.sinks.test_deliverer import Far, to
from tests.supervisors.views.stage import Stage, stage


async def of_one_event(node: Stage) -> tuple[Version, int]:
    """The sink, and the head of an entity with an event that nobody has delivered."""
    await node.clap("finale", "ann", 1)
    ((head_id,),) = await node.pool.fetch("SELECT id FROM heads WHERE entity = 'show:finale'")
    return await node.version("far"), head_id


async def test_who_has_claimed_it_last_notes_it(database_url: str) -> None:
    async with stage(database_url, to(Far()), is_running=False) as node:
        version, head_id = await of_one_event(node)
        late, next_one = (
            PostgresClaims(node.pool, incarnation=number) for number in (101, 102)
        )  # of no node that is up
        assert await late.claim(version, {head_id: 0}, lasts_s=60.0)
        assert await next_one.claim(version, {head_id: 0}, lasts_s=60.0)
        assert await late.settle(version, {head_id: Settled(0, 1)}) == set()
        assert await next_one.settle(version, {head_id: Settled(0, 1)}) == {head_id}


async def test_what_was_delivered_from_elsewhere_is_not_noted(database_url: str) -> None:
    """As after a replay that came in the middle, with the same node claiming it anew."""
    async with stage(database_url, to(Far()), is_running=False) as node:
        version, head_id = await of_one_event(node)
        claims = PostgresClaims(node.pool, incarnation=101)
        assert await claims.claim(version, {head_id: 0}, lasts_s=60.0)
        assert await claims.settle(version, {head_id: Settled(1, 2)}) == set()
        assert await claims.claim(version, {head_id: 1}, lasts_s=60.0) == {}
