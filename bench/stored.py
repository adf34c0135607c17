"""Many entities in the database, all asleep, as the server would have left them.

They are copies of two real rooms, one short, one long enough for a snapshot: made by the database itself, column by
column, whatever the columns are by now.
"""

import asyncio
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench.server import ServerFailed
from greenroom.store.own.servers import OwnServers
from greenroom.store.ownership.sharding import SHARDS, shard_sql

OWNER = "owner"  # of the rooms
FILL_S = 1_800.0

COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND column_name <> ALL ($2::text[])"
MODEL = "CASE WHEN n % $2::int = 0 THEN 'room:model-long' ELSE 'room:model-short' END"
HEADS = f"""
INSERT INTO heads (entity, shard, {{columns}})
SELECT new.entity, {shard_sql("new.entity", str(SHARDS))}, {{of_model}}
FROM generate_series(0, $1::int - 1) n
CROSS JOIN LATERAL (SELECT $3 || n AS entity) new
JOIN heads model ON model.entity = {MODEL}
ORDER BY n
"""
ROWS = f"""
INSERT INTO {{table}} (id, {{columns}})
SELECT h.id, {{of_model}}
FROM generate_series(0, $1::int - 1) n
JOIN heads h ON h.entity = $3 || n
JOIN heads m ON m.entity = {MODEL}
JOIN {{table}} model ON model.id = m.id
ORDER BY h.id, {{order}}
"""
TIMERS_SHARD = "UPDATE timers t SET shard = h.shard FROM heads h WHERE h.id = t.id AND t.shard <> h.shard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """How many entities, and what each has. `prefix`: of their names, before a number from 0."""

    entities: int
    prefix: str
    short_events: int
    long_events: int  # enough for a snapshot, which is written when the server stops
    long_each: int  # every so manieth entity is a long one
    with_timer: bool = False  # the long ones have a durable timer, due in a day

    def events_of(self, number: int) -> int:
        return self.long_events if number % self.long_each == 0 else self.short_events


def make_models(address: tuple[str, int], stored: Stored) -> None:
    """The two real rooms, at a server that runs. The long one gets its snapshot when that stops."""
    wire = http.client.HTTPConnection(*address, timeout=30.0)
    for room, events in (("model-short", stored.short_events), ("model-long", stored.long_events)):
        for number in range(events):
            if number == 0:
                name, fields = "join", {}
            elif number == 1 and room == "model-long" and stored.with_timer:
                name, fields = "ban", {"user": "somebody", "seconds": 86_400}
            else:
                name, fields = "send", {"text": f"message {number} of a stored room"}
            headers = {"X-Greenroom-User": OWNER, "Idempotency-Key": f"{room}-{number}"}
            wire.request("POST", f"/api/room/{room}/{name}", json.dumps(fields).encode(), headers)
            answer = wire.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise ServerFailed(f"a message to the model was answered with {answer.status} {said[:300]!r}")
    wire.close()


def copy_models(data_dir: Path, stored: Stored) -> dict[str, int]:
    """Fill the database of a server that has stopped; how much is in it then."""
    servers = OwnServers(data_dir)
    url, _ = servers.start()
    try:
        return asyncio.run(_fill(url, stored))
    finally:
        servers.stop()


async def _fill(url: str, stored: Stored) -> dict[str, int]:
    connection = await asyncpg.connect(url, timeout=10.0)
    given = (stored.entities, stored.long_each, stored.prefix)
    try:

        async def columns(table: str, *but: str) -> dict[str, str]:
            names = [f'"{row[0]}"' for row in await connection.fetch(COLUMNS, table, ["id", *but])]
            return {"columns": ", ".join(names), "of_model": ", ".join(f"model.{name}" for name in names)}

        heads: Any = HEADS.format(**await columns("heads", "entity", "shard"))
        await connection.execute(heads, *given, timeout=FILL_S)
        await connection.execute("ANALYZE heads")
        for table, order in (("journal", 'model."offset"'), ("snapshots", "1"), ("timers", "1")):
            rows = ROWS.format(table=table, order=order, **await columns(table))
            await connection.execute(rows, *given, timeout=FILL_S)
        await connection.execute(TIMERS_SHARD, timeout=FILL_S)
        await connection.execute("VACUUM ANALYZE", timeout=FILL_S)  # as it would be long since; not while we measure
        await connection.execute("CHECKPOINT", timeout=FILL_S)
        return {
            "entities": await connection.fetchval("SELECT count(*) FROM heads WHERE entity ^@ $1", stored.prefix),
            "events": await connection.fetchval("SELECT count(*) FROM journal"),
            "snapshots": await connection.fetchval("SELECT count(*) FROM snapshots"),
            "timers": await connection.fetchval("SELECT count(*) FROM timers"),
            "database_mb": await connection.fetchval("SELECT pg_database_size(current_database()) >> 20"),
        }
    finally:
        await connection.close()
