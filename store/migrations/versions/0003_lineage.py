"""The database's lineage: its timeline, and a label for what a timeline does not show. See docs/inside/decisions/0013.

A function, so that a statement asks the server that runs it. Where the platform hides the names of WAL files, the label
alone tells that history has changed.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

# From the name of the current WAL file: the control file still says the old one right after a promotion.
TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"

STATEMENTS = (
    "CREATE TABLE generation (label text NOT NULL)",
    "INSERT INTO generation VALUES ('')",
    f"""
    DO $$
    BEGIN
        PERFORM {TIMELINE};
        CREATE FUNCTION timeline() RETURNS bigint LANGUAGE plpgsql STABLE AS
            'BEGIN RETURN {TIMELINE.replace("'", "''")}; END';
    EXCEPTION WHEN OTHERS THEN
        CREATE FUNCTION timeline() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
    END
    $$
    """,
    # Nothing on the first timeline, so that a database that never failed over keeps the epochs it has.
    """
    CREATE FUNCTION lineage() RETURNS text LANGUAGE plpgsql STABLE AS $$
    DECLARE
        number bigint := timeline();
    BEGIN
        RETURN (SELECT CASE WHEN number = 1 THEN '' ELSE '.' || to_hex(number) END || label FROM generation);
    END
    $$
    """,
    """ALTER TABLE heads ADD COLUMN lineage text COLLATE "C" NOT NULL DEFAULT ''""",  # as of the last claim
    "ALTER TABLE heads ADD COLUMN era int NOT NULL DEFAULT 0",  # one more with each lineage
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
