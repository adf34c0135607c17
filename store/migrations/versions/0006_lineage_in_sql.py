"""`lineage()` in SQL: every append calls it, and PL/pgSQL took a fifth of what a lone append costs.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

# As in 0003, where the platform hides the names of WAL files: decided once, here.
TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"

STATEMENTS = (
    f"""
    DO $$
    BEGIN
        PERFORM {TIMELINE};
        CREATE OR REPLACE FUNCTION lineage() RETURNS text LANGUAGE sql STABLE AS $f$
            SELECT CASE WHEN t.number = 1 THEN '' ELSE '.' || to_hex(t.number) END || label
            FROM generation, (SELECT {TIMELINE} AS number) t
        $f$;
    EXCEPTION WHEN OTHERS THEN
        CREATE OR REPLACE FUNCTION lineage() RETURNS text LANGUAGE sql STABLE AS 'SELECT label FROM generation';
    END
    $$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
