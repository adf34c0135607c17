"""What the class of a view must be, told by rule; each of these would else show only at the first event, or never.

The texts say what to do; `Views` puts the class's name before them.
"""

import inspect
import re
from collections.abc import Iterator

import msgspec
from msgspec import NODEFAULT, Struct

from greenroom.actors.model.message import Event
from greenroom.actors.views.columns import ORDERED, Stored
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import View

NAME_MAX = 40  # characters: names of tables and their indexes are made of it, and Postgres has 63 bytes for each
VERSION_MAX = 2**31 - 1
FIELDS_MAX = 200
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_MAX - 1}}}")
_VERSIONED = re.compile(r"_v[0-9]+(_[0-9]+)?$")


def class_problems(view: type[View]) -> Iterator[str]:
    """All that can be said without looking at the fields' types."""
    yield from name_problems(view.name, view.version)
    yield from event_problems(view.of)
    yield from _row_problems(view)
    yield from _method_problems(view)


def name_problems(name: str, version: object) -> Iterator[str]:
    """Of a view, or a sink."""
    if not _NAME.fullmatch(name):
        yield f"the name {name!r:.80} must match [a-z][a-z0-9_]* and be at most {NAME_MAX} characters: say another"
    elif _VERSIONED.search(name):
        yield f"the name {name!r} ends as tables of versions do: say another"
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= VERSION_MAX:
        yield f"`version` is a whole number from 1, not {version!r:.80}"


def event_problems(events: object) -> Iterator[str]:
    """Of `of`."""
    if isinstance(events, type):
        yield f"`of = ({events.__qualname__})` is the class itself: add the comma, `({events.__qualname__},)`"
    elif not isinstance(events, (tuple, list)) or not events:
        yield f"`of` must be a tuple of the event classes that it folds, not {events!r:.80}"
    else:
        for event in events:
            if not isinstance(event, type) or not issubclass(event, Event):
                yield f"`of` holds classes of events, not {event!r:.80}"


def _row_problems(view: type[View]) -> Iterator[str]:
    row: object = getattr(view, "Row", None)
    if not isinstance(row, type) or not issubclass(row, Struct):
        yield "it has no rows: write `class Row(Struct):` with its fields inside the class"
        return
    if row.__struct_config__.frozen:
        yield "its rows are what `fold` changes: take `frozen=True` from Row"
    if not 1 <= len(row.__struct_fields__) <= FIELDS_MAX:
        yield f"a row has 1 to {FIELDS_MAX} fields, not {len(row.__struct_fields__)}"


def _method_problems(view: type[View]) -> Iterator[str]:
    if view.fold is View.fold:
        yield "it has no `fold`: write `def fold(self, event, of)`"
    for name in ("fold", "seed", "may_watch"):
        if inspect.iscoroutinefunction(getattr(view, name)):
            yield f"`{name}` decides and never waits: write `def`, not `async def`"
    if not isinstance(inspect.getattr_static(view, "may_watch"), classmethod):
        yield "`may_watch` is asked of the class: put `@classmethod` before `def may_watch(cls, principal, key)`"


def field_problems(view: type[View], fields: list[Stored]) -> Iterator[str]:
    """What is said of the fields: keys, defaults, and the page."""
    keys = [one.column.name for one in fields if one.column.is_key]
    if not keys:
        yield "no field of Row is a key: write `Key[str]` for what tells its rows apart"
    for one in msgspec.structs.fields(view.Row):
        has_default = one.default is not NODEFAULT or one.default_factory is not NODEFAULT
        if one.name not in keys and not has_default:
            yield f"the field {one.name} needs a default: a new row has only its keys"
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", str(view.language)):
        yield f"`language` is the name of a text search configuration, not {view.language!r:.80}"
    texts = [one.column.name for one in fields if one.column.is_key and one.type is str]
    if view.entity_key and view.entity_key not in texts:
        yield f"`entity_key` must be a key field that is a text, not {view.entity_key!r:.80}"
    if view.inline and (len(keys) != 1 or not view.entity_key):
        yield (
            "`inline` is for rows that are of one entity each: give Row one key field, a text that holds the entity's "
            "key or whole name, and name it in `entity_key`"
        )
    if view.watch is not None:
        yield from _page_problems(view.watch, fields)
    for attribute in ("guarded_by", "across"):
        if getattr(view, attribute) and not (isinstance(view.watch, Page) and view.watch.by):
            yield f"`{attribute}` is about its pages: say `watch = Page(by=...)`"
    if view.across and not any(one.column.is_searched for one in fields):
        yield "`across` is for a search, and no field of Row is Text"


def _page_problems(page: object, fields: list[Stored]) -> Iterator[str]:
    if not isinstance(page, Page):
        yield f"`watch` must be Page(...), not {page!r:.80}"
        return
    try:
        msgspec.convert(msgspec.structs.asdict(page), Page)
    except msgspec.ValidationError as error:
        yield f"`watch`: {error}"
        return
    by_name = {one.column.name: one for one in fields}
    if page.by:
        found = by_name.get(page.by)
        if found is None or not found.column.is_key or found.type is not str:
            yield f"`watch.by` must be a key field that is a text, not {page.by!r}"
    names = [term.removeprefix("-") for term in page.terms]
    for name in names:
        found = by_name.get(name)
        if found is None:
            yield f"`watch.order` names {name!r}, which is no field of Row"
        elif found.column.type not in ORDERED:
            yield f"`watch.order` names {name}, and values of its type have no order that is worth showing"
        elif found.column.is_nullable:
            yield f"`watch.order` names {name}, which may be None: give it a value that says where those rows belong"
    if len(set(names)) < len(names) or page.by in names:
        yield "`watch.order` names a field twice, or the one that `by` has"
