"""Jobs: those that are not finished, what workers have taken of them, and those that are finished.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    """
    CREATE TABLE jobs (
        id uuid PRIMARY KEY,
        queue text NOT NULL,
        job text NOT NULL,
        arguments bytea NOT NULL,
        added_ms bigint NOT NULL,
        due_ms bigint NOT NULL,
        partition text NOT NULL DEFAULT '',
        priority smallint NOT NULL DEFAULT 4,
        attempts smallint NOT NULL DEFAULT 0,
        attempts_max smallint NOT NULL DEFAULT 5,
        lost smallint NOT NULL DEFAULT 0,
        options bytea,
        errors jsonb,
        xid xid8
    )
    """,
    # A queue reads all that are its own when it wakes, and then what transactions have added that it has not seen yet.
    # Its own have no number of a transaction: it knows of them.
    "CREATE INDEX jobs_of_queue ON jobs (queue, xid)",
    """
    CREATE TABLE job_takes (
        queue text NOT NULL,
        token bigint NOT NULL,
        worker text NOT NULL,
        at_ms bigint NOT NULL,
        ids uuid[] NOT NULL,
        PRIMARY KEY (queue, token)
    )
    """,
    """
    CREATE TABLE jobs_done (
        id uuid NOT NULL,
        queue text NOT NULL,
        job text NOT NULL,
        arguments bytea NOT NULL,
        added_ms bigint NOT NULL,
        due_ms bigint NOT NULL,
        partition text NOT NULL,
        priority smallint NOT NULL,
        attempts smallint NOT NULL,
        attempts_max smallint NOT NULL,
        lost smallint NOT NULL,
        options bytea,
        state text NOT NULL,
        ended_ms bigint NOT NULL,
        worker text NOT NULL,
        started_ms bigint,
        result bytea,
        errors jsonb
    ) PARTITION BY RANGE (ended_ms)
    """,
    "CREATE TABLE jobs_done_rest PARTITION OF jobs_done DEFAULT",
    "CREATE INDEX jobs_done_by_id ON jobs_done (id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
