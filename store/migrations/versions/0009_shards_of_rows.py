"""The shard of heads, outbox rows and timers, so that each node of several sweeps its own.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.

The columns are NULL in the rows that there are, and in what that code writes: no table is rewritten, and none is locked
for longer than it takes to say so. Claims and appends write them from now on, and retention, which looks at all heads
anyway, fills in those of heads that sleep. Until then an outbox row or a timer is where its head is, and a head where
its name says.

In no index: each append with an outbox row or a timer would write into it. See store/journal/postgres/sweeps.py.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    "ALTER TABLE heads ADD COLUMN shard int",
    "ALTER TABLE outbox ADD COLUMN shard int",
    "ALTER TABLE timers ADD COLUMN shard int",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
