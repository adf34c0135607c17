"""The views installed in this process: each checked once, with what can be known of it from its code alone."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from msgspec.structs import astuple

from greenroom.actors.model.kinds import BadEntityClass, Kind, Kinds
from greenroom.actors.model.message import Event, tag_of
from greenroom.actors.views.columns import JSON, BadField, Stored, stored_fields
from greenroom.actors.views.page import Page
from greenroom.actors.views.rules import class_problems, field_problems
from greenroom.actors.views.stretch import beginning
from greenroom.actors.views.view import View
from greenroom.store.views.made_of import OfKind, of_kind
from greenroom.store.views.shape import Shape


class BadViewClass(BadEntityClass):
    """The class of a view breaks a rule; the text names the class and the rule."""


class Installed:
    """One view's class, with its columns and where its events come from."""

    def __init__(self, view: type[View], kinds: Kinds | None = None) -> None:
        """`kinds`: those whose events it folds, and whose names it must not have; None: it is looked at alone.

        Raises: BadViewClass.
        """
        where = f"{view.__module__}.{view.__qualname__}"
        for problem in class_problems(view):
            raise BadViewClass(f"{where}: {problem}")
        try:
            self.fields: tuple[Stored, ...] = tuple(stored_fields(view.Row))
        except (BadField, NameError) as error:  # the latter: a type that is only known to type checkers
            raise BadViewClass(f"{where}: {error}") from error
        for problem in field_problems(view, list(self.fields)):
            raise BadViewClass(f"{where}: {problem}")
        if kinds is not None and view.name in kinds:
            raise BadViewClass(f"{where}: {view.name!r} is the name of a kind of entities: give the view another")
        self.view = view
        self.name = view.name
        self.version = view.version
        self.key_names = tuple(one.column.name for one in self.fields if one.column.is_key)
        self.events: frozenset[type[Event]] = frozenset(view.of)
        self.beginnings = tuple(beginning(event) for event in view.of)  # see Stretch.says
        self.kinds_by_name: dict[str, Kind] = {}
        for event in view.of if kinds is not None else ():
            recorders = [kind for kind in kinds or () if event in kind.actor.events]
            if not recorders:
                raise BadViewClass(f"{where}: no installed entity records {event.__qualname__}: install it too")
            self.kinds_by_name |= {kind.name: kind for kind in recorders}
        self.kinds: frozenset[str] = frozenset(self.kinds_by_name)
        if kinds is not None and view.guarded_by and view.guarded_by not in kinds:
            raise BadViewClass(f"{where}: `guarded_by` names {view.guarded_by!r}, and no such kind is installed")
        self.key_fields = tuple(one for one in self.fields if one.column.is_key)
        self.has_json = any(one.column.type == JSON for one in self.fields)  # whose text the server writes its own way
        are_texts = all(one.type is str for one in self.key_fields)
        self._of_texts = attrgetter(*self.key_names) if are_texts else None
        self._key_places = [place for place, one in enumerate(self.fields) if one.column.is_key]
        self._names = tuple(one.column.name for one in self.fields)
        ordered = {term.removeprefix("-") for term in (view.watch or Page()).terms}
        self.indexed = tuple(
            place
            for place, one in enumerate(self.fields)
            if one.column.is_key or one.column.is_indexed or one.column.name in ordered
        )  # among a row's values
        self._to_store = [one.to_store for one in self.fields]
        self._decoders = [(place, one.decode) for place, one in enumerate(self.fields) if one.decode is not None]
        self._is_positional = view.Row.__match_args__ == self._names
        self.seeds = view.seed is not View.seed
        self.shape = shape_of(view, self.fields, made_of(self.kinds_by_name, self.events))

    def to_row(self, values: tuple[Any, ...]) -> Any:
        """A row of the class `Row`, of its stored values. Raises: msgspec.MsgspecError, ValueError where they are not
        of the fields' types."""
        if len(values) != len(self._names):
            raise ValueError(f"{len(values)} values of {len(self._names)} columns")
        row = list(values)
        for place, decode in self._decoders:
            if row[place] is not None:
                row[place] = decode(row[place])
        return self.view.Row(*row) if self._is_positional else self.view.Row(**dict(zip(self._names, row, strict=True)))

    def to_values(self, row: Any) -> tuple[Any, ...]:
        """What is to be stored of a row. Raises: TypeError, ValueError for what a column can't hold."""
        return tuple([to_store(value) for to_store, value in zip(self._to_store, astuple(row), strict=True)])

    def key_of(self, row: Any) -> tuple[Any, ...]:
        """The values of a row's key fields, as stored. Raises: TypeError, ValueError, likewise."""
        if self._of_texts is not None:
            values = self._of_texts(row)
            return values if len(self.key_names) > 1 else (values,)
        return tuple([one.to_store(getattr(row, one.column.name)) for one in self.key_fields])

    def own_keys(self, entity: str, kinds: Collection[str] = ()) -> frozenset[tuple[str, ...]] | None:
        """Of an inline view: the keys that this entity's row may have; None: of all others. `kinds`: those that record
        its events, where that is not known from its installation. What two entities may both have tells nobody apart:
        the key of one of several kinds, and a key that reads as another one's whole name."""
        if not self.view.inline:
            return None
        kind, _, key = entity.partition(":")
        if len(self.kinds or kinds) > 1 or key.startswith(f"{kind}:"):
            return frozenset(((entity,),))
        return frozenset(((entity,), (key,)))

    def key_named(self, keys: dict[str, Any]) -> tuple[Any, ...]:
        """Of keys by name. Raises: TypeError when they are not all, or others; TypeError, ValueError, likewise."""
        if tuple(keys) != self.key_names:
            if keys.keys() != set(self.key_names):
                given = ", ".join(keys) or "nothing"
                raise TypeError(f"a row is named by its keys, {', '.join(self.key_names)}, not by {given}")
            keys = {name: keys[name] for name in self.key_names}
        values = tuple(keys.values())
        if self._of_texts is not None and all(type(value) is str for value in values):
            return values  # as they are: most keys, and each event of a batch names one or two
        return tuple([one.to_store(value) for one, value in zip(self.key_fields, values, strict=True)])

    def key_of_values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of a row's stored values those of its key."""
        return tuple([values[place] for place in self._key_places])


def made_of(kinds: Mapping[str, Kind], events: Collection[type[Event]]) -> tuple[OfKind, ...]:
    """By kind, which of its events are among those that are folded."""
    return tuple(
        of_kind(
            name,
            [tag_of(event) for event in kinds[name].actor.events if event in events],
            [tag_of(event) for event in kinds[name].actor.events],
        )
        for name in sorted(kinds)
    )


def shape_of(view: type[View], fields: Iterable[Stored], events: tuple[OfKind, ...] = ()) -> Shape:
    """What the table of the view's version holds, and which events that is made of."""
    columns = tuple(one.column for one in fields)
    page = view.watch or Page()
    total = page.total(tuple(column.name for column in columns if column.is_key))
    by = (page.by,) if page.by else ()
    orders = [(*by, *(term for term in total if term not in by))] if page.by or page.order else []
    for column in columns:
        if column.is_indexed:  # the rows of one page that have one value, in the page's order
            rest = (term for term in (*by, *total) if term.removeprefix("-") != column.name)
            orders.append((column.name, *dict.fromkeys(rest)))
    return Shape(
        columns=columns,
        orders=tuple(orders),
        language=view.language,
        entity_key=view.entity_key,
        events=events,
    )


class Views:
    """The views by name, and by the kind whose events they fold. Falsy where there are none."""

    def __init__(self, kinds: Kinds, views: Iterable[type[View]] = ()) -> None:
        """Raises: BadViewClass."""
        self.kinds = kinds
        self._views: dict[str, Installed] = {}
        self._by_kind: dict[str, tuple[Installed, ...]] = {}
        for view in views:
            self.install(view)

    def install(self, view: type[View]) -> Installed:
        """Once all entities are. Raises: BadViewClass, also when a kind or another view has its name."""
        installed = Installed(view, self.kinds)
        if installed.name in self._views:
            other = self._views[installed.name].view
            raise BadViewClass(
                f"two views are named {installed.name!r}: {other.__module__}.{other.__qualname__} and "
                f"{view.__module__}.{view.__qualname__}"
            )
        self._views[installed.name] = installed
        for one in self:
            self._check_across(one)
        for kind in installed.kinds:
            self._by_kind[kind] = (*self._by_kind.get(kind, ()), installed)
        return installed

    def _check_across(self, installed: Installed) -> None:
        """Raises: BadViewClass. Without the other view, which may be left out, nothing is searched across."""
        view = installed.view
        other = self._views.get(view.across)
        if other is None:
            return
        assert view.watch is not None
        where, by = f"{view.__module__}.{view.__qualname__}", view.watch.by
        if other.view.watch is None or not other.view.watch.by:
            raise BadViewClass(f"{where}: `across` names {other.name}, which has no pages by a key")
        if by == other.view.watch.by or by not in other.key_names:
            raise BadViewClass(f"{where}: `across` names {other.name}, whose rows are told apart by no {by}")

    def across(self, view: str, name: str) -> Installed | None:
        """The view `name`, if pages of it are searched across those of `view`."""
        found = self._views.get(name)
        return found if found is not None and found.view.across == view else None

    @property
    def by_kind(self) -> Mapping[str, tuple[Installed, ...]]:
        """Kind -> the views that fold its events."""
        return self._by_kind

    def get(self, name: str) -> Installed | None:
        return self._views.get(name)

    def __getitem__(self, name: str) -> Installed:
        """Raises: KeyError."""
        return self._views[name]

    def __contains__(self, name: str) -> bool:
        return name in self._views

    def __iter__(self) -> Iterator[Installed]:
        return iter(self._views.values())

    def __len__(self) -> int:
        return len(self._views)


def views_among(classes: Iterable[type]) -> list[type[View]]:
    """Those that are views, and no bases of some."""
    return [item for item in classes if issubclass(item, View) and (item.of or hasattr(item, "Row"))]
