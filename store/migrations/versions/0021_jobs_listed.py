"""An index of finished jobs that have failed or were cancelled, by their queue: what is listed most, of what is there
least. A job that has succeeded pays a comparison for it.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

STATEMENTS = ("CREATE INDEX jobs_done_failed ON jobs_done (queue, id) WHERE state <> 'completed'",)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
