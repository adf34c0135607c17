"""A sink that begins with what is recorded from now on says where with all entities that there are as it is made: by
what is committed, and not by the clocks of those that recorded it.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0023"
down_revision = "0022"

STATEMENTS = (
    # Of one that was made before, or by a node of the release before, it goes by `made_at`.
    "ALTER TABLE view_versions ADD COLUMN begun boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
