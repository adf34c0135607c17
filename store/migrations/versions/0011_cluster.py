"""The cluster of nodes that share this database has a name of its own, by which several may share one Redis.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    """
    ALTER TABLE sharding
        ADD COLUMN cluster text NOT NULL DEFAULT substr(md5(random()::text || clock_timestamp()::text), 1, 16)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
