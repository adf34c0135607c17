"""Each node's row says which others it can't reach, though all reach the database.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    # A node of the release before says nothing of it. Its own incarnation among them: it reaches nobody.
    "ALTER TABLE nodes ADD COLUMN unreached bigint[] NOT NULL DEFAULT '{}'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
