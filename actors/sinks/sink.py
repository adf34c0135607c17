"""A sink: a view without a table. Its events go to code that hands them on: to a warehouse, an index, a queue.

    class ToWarehouse(Sink, version=1):
        of = (Clapped, Renamed)

        async def deliver(self, batch: Batch) -> None:
            await warehouse.insert([(of.entity, of.offset, event.user) for event, of in batch])

Each event is delivered at least once, and those of one entity in order. What was delivered once `deliver` has returned
is noted; when the process dies before that, the same events come again, from another batch's beginning. So whoever
receives them keeps the greatest offset of each entity (with its epoch), and passes over what is not above it.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

from greenroom.actors.model.message import Event
from greenroom.actors.views.view import Origin, name_of
from greenroom.config.limits import SinkConfig

Since = Literal["first", "kept", "now"]


class Batch:
    """Events with where they come from, in the order of their entities: `for event, of in batch`.

    Those that an upcaster has made of one stored event have the same offset, and are never in two batches.
    """

    __slots__ = ("_epochs", "events")

    def __init__(self, events: Sequence[tuple[Event, Origin]], epochs: Mapping[str, str]) -> None:
        """`epochs`: by entity, of all that are among the events."""
        self.events = tuple(events)
        self._epochs = epochs

    def __iter__(self) -> Iterator[tuple[Any, Origin]]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def epoch(self, of: Origin) -> str:
        """Of the journal that the event is in: another after a failover that has lost a tail, whose offsets are given
        to other events then."""
        return self._epochs[of.entity]


class Sink:
    """Subclass it with a `deliver`. `version` and `name` are arguments of the class, as with a View.

    The next version is another consumer: it is delivered everything once more, beside the one before, until it has
    caught up and takes its place. Code that delivers otherwise from now on needs none.
    """

    of: ClassVar[tuple[type[Event], ...]] = ()  # the events that it is told of
    name: ClassVar[str] = ""  # [a-z][a-z0-9_]*; where it is not given, the class's name in small letters
    version: ClassVar[int] = 1
    # Where a sink that is new begins, in each entity: with the first event, and it is refused at the start where
    # retention has taken some; with the oldest that is kept; or with what is recorded from about now on.
    since: ClassVar[Since] = "first"
    batch_events: ClassVar[int] = 100  # at most, in one call
    deadline_s: float = 30.0  # for one call; then the other side counts as unreachable
    attempts_max: ClassVar[int] = 8  # at one event that fails while others are delivered; then its entity is parked

    def __init_subclass__(cls, *, version: int = 1, name: str = "", **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.version = version
        cls.name = name or vars(cls).get("name", "") or name_of(cls)

    def __init__(self, config: SinkConfig) -> None:
        """One for each node and version. `config`: the settings of those that come with Greenroom."""
        self.config = config

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Around all deliveries: open here what they need, and close it. What it raises counts as what `deliver`
        does."""
        yield

    async def deliver(self, batch: Batch) -> None:
        """Hand the batch on; it counts as delivered once this returns. Never called twice at once, on one node.

        May be cancelled at any await. Raises: Unreachable, BatchRefused, Gone; any other error is a failure, after
        which the events are delivered again, by fewer at a time.
        """
        raise NotImplementedError
