"""Sinks: views without a table, and who is delivering an entity's events just now.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = (
    """
    ALTER TABLE view_versions
        ADD COLUMN kind text NOT NULL DEFAULT 'view' CHECK (kind IN ('view', 'sink'))
    """,
    # Of sinks alone: the node that is delivering, and until when. One that is dead, or too late, holds nobody up.
    """
    ALTER TABLE view_progress
        ADD COLUMN claimed_by bigint,
        ADD COLUMN claimed_until timestamptz
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
