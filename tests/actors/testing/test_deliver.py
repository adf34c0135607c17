"""The kit that runs a sink."""

from greenroom import Batch, Sink
from greenroom.config.limits import SinkConfig
from greenroom.testing import deliver
from tests.actors.views.shows import Clapped, Renamed


class Noting(Sink):
    of = (Clapped,)

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        self.came: list[list[tuple[str, int]]] = []

    async def deliver(self, batch: Batch) -> None:
        self.came.append([(of.entity, of.offset) for _, of in batch])


EVENTS = [("show:a", Clapped(user="ann")), ("show:a", Renamed(title="A")), ("show:a", Clapped(user="bob"))]


async def test_events_are_numbered_and_those_of_other_classes_left_out() -> None:
    sink = await deliver(Noting, EVENTS)
    assert sink.came == [[("show:a", 1), ("show:a", 3)]]


async def test_batches_come_as_after_a_crash() -> None:
    sink = await deliver(Noting(SinkConfig()), EVENTS, batch_events=1, twice=True)
    assert sink.came == [[("show:a", 1)]] * 2 + [[("show:a", 3)]] * 2
