"""${message}

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    op.execute("")
