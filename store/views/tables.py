"""Tables: what one version of a view is in Postgres, as SQL.

    views."standings_v1"      the table of version 1; another version has another
    views."standings_v1_2"    the second build of that version, which was made anew
    views."standings"         an SQL view of the live table's declared columns: the name for everybody's own queries

The schema `views` holds nothing of ours, so that no name of a view collides with one of our tables. Each row has hidden
columns beside those declared: `_revision`, taken from one sequence under the row's lock, so that the newer of two is
the greater, also over a removal and a coming back; and `_search`, where something is searched.
"""

from hashlib import sha256

from greenroom.store.views.shape import Column, Shape

SCHEMA = "views"
REVISION = "_revision"  # bigint NOT NULL
NEXT_REVISION = "nextval('view_revisions')"
SEARCH = "_search"  # tsvector, made by the server
WEIGHTS = "ABCD"  # of what is searched, by the order of the fields; the fourth and later ones share the last


def quoted(name: str) -> str:
    """An identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


class Table:
    """The table of one version of a view; `rows` and `stable` are its own name in SQL, and the one that leads to the
    live version."""

    def __init__(self, name: str, version: int, shape: Shape, build: int = 1) -> None:
        """`name` matches [a-z][a-z0-9_]*, at most 40 characters."""
        self.name = name
        self.version = version
        self.shape = shape
        self._own = f"{name}_v{version}" + (f"_{build}" if build > 1 else "")
        self.rows = f"{SCHEMA}.{quoted(self._own)}"
        self.stable = f"{SCHEMA}.{quoted(name)}"
        self.columns = ", ".join(quoted(column.name) for column in shape.columns)
        self.key = ", ".join(quoted(column.name) for column in shape.key)

    def create(self) -> list[str]:
        """Statements that make it, to be run in one transaction. Its indexes are `indexes`'."""
        lines = [_declared(column) for column in self.shape.columns]
        lines.append(f"{REVISION} bigint NOT NULL")
        if self.shape.searched:
            lines.append(f"{SEARCH} tsvector GENERATED ALWAYS AS ({self._words()}) STORED")
        lines.append(f"PRIMARY KEY ({self.key})")
        body = ",\n    ".join(lines)
        # Room in each page, so that most updates stay on it.
        return [f"CREATE TABLE {self.rows} (\n    {body}\n) WITH (fillfactor = 85)"]

    def indexes(self) -> list[str]:
        """Statements, each of which does nothing where its index is there."""
        made: list[str] = []
        ordered = {order[0].removeprefix("-") for order in self.shape.orders}
        for column in self.shape.columns:
            if column.is_indexed and column.name not in ordered:
                # With the key behind it, so that pages of a filter have an order that a cursor can go on from.
                made.append(self._index(f"{quoted(column.name)}, {self._key_without(column)}".removesuffix(", ")))
        for order in self.shape.orders:
            terms = [f"{quoted(one.removeprefix('-'))}{' DESC' if one.startswith('-') else ''}" for one in order]
            made.append(self._index(", ".join(terms)))
        if self.shape.searched:
            made.append(self._index(SEARCH, method="gin"))
        return made

    def drop(self) -> list[str]:
        """Statements that remove it. The stable name must lead elsewhere before."""
        return [f"DROP TABLE IF EXISTS {self.rows}"]

    def show(self) -> str:
        """The statement by which the stable name leads here; where it leads elsewhere, and columns are not those there
        with others behind them, it is to be hidden first."""
        return f"CREATE OR REPLACE VIEW {self.stable} AS SELECT {self.columns} FROM {self.rows}"

    def hide(self) -> list[str]:
        """Statements after which the stable name leads nowhere."""
        return [f"DROP VIEW IF EXISTS {self.stable}"]

    def _words(self) -> str:
        parts: list[str] = []
        for number, column in enumerate(self.shape.searched):
            weight = WEIGHTS[min(number, len(WEIGHTS) - 1)]
            text = f"coalesce({quoted(column.name)}, '')"
            # The configuration as a constant: a generated column may not depend on a setting.
            parts.append(f"setweight(to_tsvector({literal(self.shape.language)}::regconfig, {text}), '{weight}')")
        return " || ".join(parts)

    def _key_without(self, column: Column) -> str:
        return ", ".join(quoted(one.name) for one in self.shape.key if one.name != column.name)

    def _index(self, terms: str, *, method: str = "btree") -> str:
        digest = sha256(f"{method} {terms}".encode()).hexdigest()[:8]
        name = quoted(f"{self._own}_{digest}")
        return f"CREATE INDEX IF NOT EXISTS {name} ON {self.rows} USING {method} ({terms})"


def _declared(column: Column) -> str:
    """Texts are in the order of their bytes: the same on every server, whatever its locale."""
    collation = ' COLLATE "C"' if column.type == "text" else ""
    return f"{quoted(column.name)} {column.type}{collation}{'' if column.is_nullable else ' NOT NULL'}"
