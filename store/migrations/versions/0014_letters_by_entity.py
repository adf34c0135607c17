"""Dead letters of one entity, found without going through those of all.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.

The table is written to meanwhile, and the index is not built concurrently, which no transaction may. It is of 100,000
rows at most (store/journal/dead_letters_postgres.py), and done within half a second. So long whoever writes a
dead letter waits, and nobody else: an append that brings none does not touch this table.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = ("CREATE INDEX dead_letters_entity ON dead_letters (entity, id)",)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
