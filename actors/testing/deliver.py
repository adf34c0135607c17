"""Delivering to a sink in a test: no server, no database.

    sink = await deliver(ToWarehouse(SinkConfig()), [("applause:finale", Clapped(user="ann", times=3))])

Whatever a sink delivers to hears some events twice when a server dies at the wrong moment: `twice=True` plays that.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.message import Event
from greenroom.actors.sinks.sink import Batch, Sink
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.actors.views.view import Origin
from greenroom.config.limits import SinkConfig

S = TypeVar("S", bound=Sink)


async def deliver(
    sink: type[S] | S, events: Iterable[tuple[str, Event]], *, batch_events: int | None = None, twice: bool = False
) -> S:
    """Deliver these events of these entities, `batch_events` at a time, or as many as the sink's class says; the sink.

    Events are numbered by entity from 1, and a second apart; those that are not in `of` are left out. `twice`: each
    batch comes once more, as after a crash. Raises: what the sink does.
    """
    made = sink(SinkConfig()) if isinstance(sink, type) else sink
    size = batch_events or made.batch_events
    happened = _happened(made, events)
    async with made.connected():
        for first in range(0, len(happened), size):
            part = happened[first : first + size]
            batch = Batch(part, {of.entity: "test" for _, of in part})
            for _ in range(2 if twice else 1):
                await made.deliver(batch)
    return made


def _happened(sink: Sink, events: Iterable[tuple[str, Event]]) -> list[tuple[Event, Origin]]:
    """As they come from the journal."""
    offsets: dict[str, int] = {}
    found: list[tuple[Event, Origin]] = []
    for number, (entity, event) in enumerate(events):
        split_entity(entity)
        offsets[entity] = offset = offsets.get(entity, 0) + 1
        if isinstance(event, sink.of):
            stored = msgspec.json.decode(msgspec.json.encode(event), type=type(event))
            found.append((stored, Origin(entity, offset, int((EPOCH_S + number) * 1000))))
    return found
