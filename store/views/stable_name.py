"""The stable name: an SQL view that leads to the live table, kept for whoever has rights on it, or views of their own.

It is replaced in place where its columns stay, with others behind them. Else it is made anew, with the rights that
there were; what hangs on it would go with it, so then that has to go first.
"""

from greenroom.store.errors import ViewRefused
from greenroom.store.postgres.connection import Transaction
from greenroom.store.views.shape import Shape
from greenroom.store.views.tables import Table, quoted

# SQL views of others that select from ours: these can't be kept when ours is made anew.
DEPENDENTS = """
SELECT DISTINCT c.oid::regclass::text
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = to_regclass($1) AND c.oid <> d.refobjid
ORDER BY 1
"""
# What others may do with it, and with single columns of it.
GRANTS = """
SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    a.is_grantable, ''::text
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner
UNION ALL
SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    a.is_grantable, t.attname::text
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner
"""


async def show(transaction: Transaction, table: Table, before: Shape | None) -> None:
    """Have the stable name lead to that table. `before`: what it leads to; None: nowhere. Who may read it stays so.

    Raises: ViewRefused.
    """
    present = () if before is None else before.columns
    if all(
        (one.name, one.type) == (other.name, other.type)
        for one, other in zip(present, table.shape.columns)  # noqa: B905
    ) and len(present) <= len(table.shape.columns):
        await transaction.fetch(table.show())
        return
    await refuse_dependents(transaction, table)
    grants = [tuple(row) for row in await transaction.fetch(GRANTS, table.stable)]
    for statement in (*table.hide(), table.show()):
        await transaction.fetch(statement)
    for privilege, grantee, is_grantable, column in grants:
        if column and table.shape.column(column) is None:
            continue
        of = f" ({quoted(column)})" if column else ""
        more = " WITH GRANT OPTION" if is_grantable else ""
        await transaction.fetch(f"GRANT {privilege}{of} ON {table.stable} TO {grantee}{more}")


async def refuse_dependents(transaction: Transaction, table: Table) -> None:
    """Raises: ViewRefused."""
    dependents = [row[0] for row in await transaction.fetch(DEPENDENTS, table.stable)]
    if dependents:
        raise ViewRefused(
            f"{', '.join(dependents)} {'hangs' if len(dependents) == 1 else 'hang'} on {table.stable}, which is to be "
            "made anew or to go: drop what hangs on it, and make that again afterwards"
        )
