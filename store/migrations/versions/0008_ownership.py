"""Which nodes there are, and who owns which shard under which term.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    # One row for each start of a process. `host` and `process` are where it can be proven that it has ended; the lease
    # is for all others to read, on this database's clock. Dead is final.
    """
    CREATE TABLE nodes (
        incarnation bigint PRIMARY KEY,
        url text NOT NULL,
        version text NOT NULL,
        host text NOT NULL,
        process text NOT NULL,
        state text NOT NULL DEFAULT 'up' CHECK (state IN ('up', 'dead')),
        joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        lease_until timestamptz NOT NULL,
        ended_at timestamptz,
        why text
    ) WITH (fillfactor = 50)
    """,
    # How many shards entities hash onto: as the first node's settings had it, and for ever.
    "CREATE TABLE sharding (is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one), count int NOT NULL)",
    # `term` is the upper half of the fences granted under it: it rises with each change of owner, and is never lower.
    """
    CREATE TABLE shards (
        shard int PRIMARY KEY,
        owner bigint,
        term int NOT NULL DEFAULT 0,
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        cause text NOT NULL DEFAULT ''
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
