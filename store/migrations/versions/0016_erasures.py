"""Erasures: what was forgotten, by whom and why, so that it does not come back; and how far each node has heard of it.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = (
    # A row for each, kept for ever: the audit, and of an entity its tombstone. `digest` is the SHA-256 of its name (of
    # a user's: `user ` and the id), which is all that is left of the name once it is done; `name` is there until then,
    # for whoever goes on with it. `call` orders what nodes are to hear, each once it is time for that. `did` is JSON:
    # what was done and removed so far.
    """
    CREATE TABLE erasures (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        digest bytea NOT NULL UNIQUE,
        name text COLLATE "C",
        head_id bigint,
        reason text NOT NULL,
        asked_by text NOT NULL,
        call int UNIQUE,
        began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        done_at timestamptz,
        did jsonb NOT NULL DEFAULT '{}'
    )
    """,
    # What erasures up to this call are about has left this node's memory. A node of the release before never says so.
    "ALTER TABLE nodes ADD COLUMN erased int NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
