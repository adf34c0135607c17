"""Alembic's environment, offline only: migrations become one SQL script, run by `store/postgres/migrate.py`.

So there is no second driver and no engine: what Alembic does for us is to order the revisions and to note them.
"""

from alembic import context

if not context.is_offline_mode():
    raise SystemExit("run migrations with `greenroom migrate`; Alembic itself only writes the SQL here (--sql)")

# No BEGIN and no COMMIT: the transaction is that of whoever runs the script.
context.configure(dialect_name="postgresql", transactional_ddl=False, literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
