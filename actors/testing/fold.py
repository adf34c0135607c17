"""Folding a view in a test: no server, no database.

    rows = fold(Standings, [("applause:finale", Clapped(user="ann", times=3)), ("applause:finale", ...)])
    assert rows == [Standings.Row(show="finale", user="ann", claps=3)]

What a rebuild would not come to again is found here: the events are folded several times, all at once, one by one, and
each entity's by themselves, and a fold that reads a clock or draws lots is stopped.
"""

import random
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest.mock import patch

import msgspec

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.message import Event
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.actors.views.folding import BatchRows
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.view import Origin, View

Happened = tuple[Origin, Event]
CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime")
LOTS = ("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits")
NAMES = ("uuid1", "uuid4")


class NotPure(AssertionError):
    """A fold does not come to the same again; the text says what it did, or where two results differ."""


def fold(
    view: type[View], events: Iterable[tuple[str, Event]], *, any_order: bool = True, rows: Iterable[Any] = ()
) -> list[Any]:
    """The rows that a view makes of these events of these entities, by their keys; `rows` are there before.

    Events are numbered by entity from 1, and a second apart. `any_order`: events of different entities may come in any
    order, so they are folded in several; False for a test that looks at one of them alone.

    Raises: NotPure; BadViewClass; and what the fold raises.
    """
    installed = Installed(view)
    happened = _happened(events)
    kinds = {origin.kind for origin, _ in happened}
    before = {installed.key_of(row): installed.to_values(row) for row in rows}
    orders = {"in the order given": happened}
    if any_order:
        orders["each entity by itself"] = _by_entity(happened, reverse=False)
        orders["each entity by itself, the last one first"] = _by_entity(happened, reverse=True)
    found: dict[str, list[tuple[Any, ...]]] = {}
    with _nothing_but_events():
        for how, order in orders.items():
            found[f"{how}, at once"] = _folded(installed, kinds, before, [order])
            found[f"{how}, at once again"] = _folded(installed, kinds, before, [order])
            found[f"{how}, one by one"] = _folded(installed, kinds, before, [[one] for one in order])
    (first, expected), *others = found.items()
    for how, rows_of_it in others:
        if rows_of_it != expected:
            raise NotPure(_differ(first, expected, how, rows_of_it))
    return [installed.to_row(values) for values in expected]


def _happened(events: Iterable[tuple[str, Event]]) -> list[Happened]:
    """As they come from the journal."""
    offsets: dict[str, int] = {}
    found: list[Happened] = []
    for number, (entity, event) in enumerate(events):
        split_entity(entity)
        offsets[entity] = offset = offsets.get(entity, 0) + 1
        stored = msgspec.json.decode(msgspec.json.encode(event), type=type(event))
        found.append((Origin(entity, offset, int((EPOCH_S + number) * 1000)), stored))
    return found


def _by_entity(happened: Sequence[Happened], *, reverse: bool) -> list[Happened]:
    entities = list(dict.fromkeys(origin.entity for origin, _ in happened))
    if reverse:
        entities.reverse()
    return [one for entity in entities for one in happened if one[0].entity == entity]


def _folded(
    installed: Installed,
    kinds: Collection[str],
    before: dict[tuple[Any, ...], tuple[Any, ...]],
    batches: Iterable[list[Happened]],
) -> list[tuple[Any, ...]]:
    """The rows as stored, batch by batch, as the server has them between two transactions."""
    table = dict(before)
    for batch in batches:
        rows = BatchRows(installed, _Whole(table))
        view = installed.view(rows)
        for origin, event in batch:
            if type(event) in installed.events:
                rows.begin_event(installed.own_keys(origin.entity, kinds))
                view.fold(event, origin)
                rows.end_event()
        inserted, updated, removed = rows.changes()
        table.update({installed.key_of_values(values): values for values in (*inserted, *updated)})
        for key in removed:
            del table[key]
    return [table[key] for key in sorted(table)]


class _Whole(dict[tuple[Any, ...], tuple[Any, ...] | None]):
    """Rows of which it is known that there are no others."""

    def __missing__(self, key: tuple[Any, ...]) -> None:
        return None


@contextmanager
def _nothing_but_events() -> Iterator[None]:
    def stop(what: str) -> Callable[..., NoReturn]:
        def stopped(*_: Any, **__: Any) -> NoReturn:
            raise NotPure(f"a fold calls {what}: it may use the event, its origin and rows alone")

        return stopped

    with ExitStack() as stack:
        for module, names in ((time, CLOCKS), (random, LOTS), (uuid, NAMES)):
            for name in names:
                stack.enter_context(patch.object(module, name, stop(f"{module.__name__}.{name}")))
        yield


def _differ(first: str, one: list[tuple[Any, ...]], how: str, other: list[tuple[Any, ...]]) -> str:
    only_one = [row for row in one if row not in other]
    only_other = [row for row in other if row not in one]
    return (
        "the rows depend on how their events come, so a table that is filled anew would differ from the one there is."
        f"\n  {first}: {only_one!r:.400}\n  {how}: {only_other!r:.400}"
    )
