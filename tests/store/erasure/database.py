"""The whole database, searched: every column of every table of ours and of views, as text and as bytes."""

from greenroom.store.postgres.pool import Pool

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1
"""
COLUMNS = """
SELECT quote_ident(attname), atttypid = 'bytea'::regtype FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


async def places_of(pool: Pool, value: str) -> list[str]:
    """Where `value` is, as `table.column`."""
    found = []
    for (table,) in await pool.fetch(TABLES):
        for column, is_bytes in await pool.fetch(COLUMNS, table):
            text = f"position($1::text IN {column}::text) > 0"
            raw = f"position(convert_to($1::text, 'UTF8') IN {column}) > 0" if is_bytes else "false"
            if await pool.fetch(f"SELECT 1 FROM {table} WHERE {text} OR {raw} LIMIT 1", value):
                found.append(f"{table}.{column}")
    return found
