"""The one door to Postgres: asyncio nested in trio, connections that mend themselves, the pool, migrations."""
