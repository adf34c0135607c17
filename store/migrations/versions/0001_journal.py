"""Heads, journal, snapshots, command ids that outlive their events, dead letters.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    # One narrow row for each durable entity, updated by every append: the spare room in its page keeps those updates in
    # place (no index entry is written). `id` stands in for the name in the keys of the other tables.
    """
    CREATE TABLE heads (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        entity text COLLATE "C" NOT NULL UNIQUE,
        fence bigint NOT NULL,
        incarnation bigint NOT NULL,
        "offset" bigint NOT NULL DEFAULT 0,
        epoch text NOT NULL,
        trimmed bigint NOT NULL DEFAULT 0,
        snapshot_offset bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 80)
    """,
    # command_id is bytes, not text: what clients send may hold any character, NUL too, and one bad row would fail a
    # batch of many entities.
    """
    CREATE TABLE journal (
        id bigint NOT NULL,
        "offset" bigint NOT NULL,
        fence bigint NOT NULL,
        at_ms bigint NOT NULL,
        payload bytea NOT NULL,
        info bytea,
        command_id bytea,
        reply bytea,
        PRIMARY KEY (id, "offset")
    )
    """,
    "CREATE UNIQUE INDEX journal_command_id ON journal (id, command_id) WHERE command_id IS NOT NULL",
    """
    CREATE TABLE snapshots (
        id bigint PRIMARY KEY,
        fence bigint NOT NULL,
        "offset" bigint NOT NULL,
        body bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE kept_ids (
        id bigint NOT NULL,
        command_id bytea NOT NULL,
        reply bytea,
        at_ms bigint NOT NULL,
        PRIMARY KEY (id, command_id)
    )
    """,
    """
    CREATE TABLE dead_letters (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        entity text NOT NULL,
        at timestamptz NOT NULL,
        message_type text NOT NULL,
        payload bytea NOT NULL,
        principal text NOT NULL,
        error text NOT NULL,
        traceback text NOT NULL,
        trace text NOT NULL,
        strikes int NOT NULL
    )
    """,
    # lz4 is several times faster than Postgres's own compression; not every build has it.
    """
    DO $$
    BEGIN
        ALTER TABLE journal ALTER COLUMN payload SET COMPRESSION lz4;
        ALTER TABLE snapshots ALTER COLUMN body SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported THEN
        NULL;
    END
    $$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
