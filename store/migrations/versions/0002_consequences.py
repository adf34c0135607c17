"""What is committed with events: outbox, marks of what was received, durable timers; digests of commands.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # Messages to other entities, one row for each burst of events. Rows live for milliseconds: vacuum must keep up.
    """
    CREATE TABLE outbox (
        id bigint NOT NULL,
        "offset" bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (id, "offset")
    ) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000)
    """,
    # The highest sequence number that an entity has handled of each sender; updated in place.
    """
    CREATE TABLE received (
        id bigint NOT NULL,
        sender bigint NOT NULL,
        seq bigint NOT NULL,
        PRIMARY KEY (id, sender)
    ) WITH (fillfactor = 80)
    """,
    # The name is bytes, not text: it may be made of what a client sent, and one bad row would fail a batch.
    """
    CREATE TABLE timers (
        id bigint NOT NULL,
        name bytea NOT NULL,
        due_ms bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (id, name)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02)
    """,
    "CREATE INDEX timers_due ON timers (due_ms, id)",
    "ALTER TABLE journal ADD COLUMN digest bigint",
    "ALTER TABLE kept_ids ADD COLUMN digest bigint",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
