"""Views: which versions of them there are, and how far each entity's events are folded into each.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    # For the tables of whoever declares views, and for nothing of ours.
    "CREATE SCHEMA IF NOT EXISTS views",
    # Taken under the lock of the row that it goes into: the newer of two is the greater.
    "CREATE SEQUENCE view_revisions",
    # Each is a table: of a version, and of a build of it, for one that is made anew. It is `filling` beside a live one
    # until it has caught up, then `live`; the one before is `old` until it is dropped on command. `shape` is JSON, as
    # store/views/shape.py has it. `rung` rises when whoever fills it is to look anew.
    """
    CREATE TABLE view_versions (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text COLLATE "C" NOT NULL,
        version int NOT NULL,
        build int NOT NULL DEFAULT 1,
        shape text NOT NULL,
        digest text NOT NULL,
        kinds text[] NOT NULL,
        state text NOT NULL CHECK (state IN ('filling', 'live', 'old')),
        paused boolean NOT NULL DEFAULT false,
        rung bigint NOT NULL DEFAULT 0,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        live_at timestamptz,
        UNIQUE (name, version, build)
    )
    """,
    "CREATE UNIQUE INDEX view_versions_live ON view_versions (name) WHERE state = 'live'",
    # One narrow row for each entity of each version, updated in place with the rows of the view that its events change.
    # Without one, nothing is folded. `parked`: its next event can't be, why and since when; that entity waits.
    """
    CREATE TABLE view_progress (
        view_id int NOT NULL,
        id bigint NOT NULL,
        "offset" bigint NOT NULL,
        parked jsonb,
        PRIMARY KEY (view_id, id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX view_progress_parked ON view_progress (view_id, id) WHERE parked IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
