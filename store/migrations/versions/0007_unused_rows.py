"""What the retention sweep must know to read only what is due, and to remove what nobody uses.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

# No table is rewritten: the defaults are constants as of the migration.
STATEMENTS = (
    # No event that is left was recorded before `since_ms`; `claimed_ms` is the last claim's. Both Unix ms; 0: not known
    # yet. In no index, or each claim and each trim would write into it.
    """
    ALTER TABLE heads
        ADD COLUMN since_ms bigint NOT NULL DEFAULT 0,
        ADD COLUMN claimed_ms bigint NOT NULL DEFAULT 0
    """,
    "ALTER TABLE received ADD COLUMN at timestamptz NOT NULL DEFAULT now()",  # when the mark last rose
    "CREATE INDEX kept_ids_at ON kept_ids (id, at_ms)",  # keeps retention waiting, and nobody else
    # The highest number of an activation (the lower half of a fence) among heads that were removed.
    "CREATE TABLE fence_floor (activation bigint NOT NULL)",
    "INSERT INTO fence_floor VALUES (0)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
