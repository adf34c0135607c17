"""Alembic's environment, offline only: migrations become one SQL script, run by `store/postgres/migrate.py`.

So there is no second driver and no engine: what Alembic does for us is to order the revisions and to note them.
"""

from alembic import context

if not context.is_offline_mode():
    raise SystemExit("run migrations with `greenroom migrate`; Alembic itself only writes the SQL here (--sql)")

context.configure(dialect_name="postgresql", transaction_per_migration=True, literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
