"""Nodes beside one another: how much of the work each is to have, and whether it has come to or to go.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    # `alone`: it shares the database with nobody, as all nodes of releases before this one.
    """
    ALTER TABLE nodes
        ADD COLUMN alone boolean NOT NULL DEFAULT true,
        ADD COLUMN capacity int NOT NULL DEFAULT 100,
        DROP CONSTRAINT nodes_state_check,
        ADD CONSTRAINT nodes_state_check CHECK (state IN ('joining', 'up', 'draining', 'dead'))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
