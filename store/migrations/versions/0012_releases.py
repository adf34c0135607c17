"""What each release can be told and can read, so that nodes of two of them can serve one database.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    # Named by a digest of what it knows, which is JSON: see actors/schema/knowledge.py.
    """
    CREATE TABLE releases (
        digest text PRIMARY KEY,
        knowledge text NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    # A node of the release before says nothing of its own.
    "ALTER TABLE nodes ADD COLUMN release text NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
