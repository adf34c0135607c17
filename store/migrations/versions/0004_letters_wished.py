"""Dead letters that somebody wants handled once more.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    "ALTER TABLE dead_letters ADD COLUMN wished boolean NOT NULL DEFAULT false",
    "CREATE INDEX dead_letters_wished ON dead_letters (id) WHERE wished",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
