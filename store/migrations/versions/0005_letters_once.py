"""Dead letters that are written again because nobody knows whether they were: each has a key, and is there once.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    "ALTER TABLE dead_letters ADD COLUMN key bigint",
    "CREATE UNIQUE INDEX dead_letters_key ON dead_letters (key) WHERE key IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
