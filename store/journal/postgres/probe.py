"""Can what serving needs be done? Nothing is read and nothing changed, the way in which everything is."""

import trio

from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.group import Group

# Permission to write and a server that takes writes, then a commit that has to become durable: a message in the
# write-ahead log that nobody reads. No head has the number 0.
WRITE = """
WITH touched AS (UPDATE heads SET fence = fence WHERE id = 0 RETURNING id)
SELECT pg_logical_emit_message(true, 'greenroom', '') FROM (SELECT count(*) FROM touched) AS counted
"""
READ = 'SELECT "offset" FROM heads WHERE id = 0'


async def probe(readers: Group, claims: Group, lanes: list[Connection]) -> None:
    """Raises: StoreUnavailable, OutcomeLost: in a group, of each connection that failed."""

    async def read(group: Group) -> None:
        async with group.connection() as connection:
            await connection.fetch(READ)

    async def write(lane: Connection) -> None:
        await lane.fetch(WRITE, write=True)

    async with trio.open_nursery() as nursery:  # owner: this call; the first that fails has said enough
        nursery.start_soon(read, claims)
        for lane in lanes:
            nursery.start_soon(write, lane)
    await read(readers)  # after them, to whom it would give its session: with all of theirs open there must be one left
