"""A room of 10,000 watchers over four nodes whose links are carried as over Redis, by a network in memory: all of them
see it in order, its owner says everything once a node, and hands nothing to watchers elsewhere.
"""

import random

import trio
from trio.testing import MockClock

from greenroom.actors.model.principal import Principal
from greenroom.config.limits import BusConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.bus.carried_links import COMPANY_S, CarriedLinks
from greenroom.transports.bus.carrier_memory import MemoryNetwork
from greenroom.transports.bus.links import Correspondent
from tests.supervisors.correspondence.linked import Network
from tests.supervisors.correspondence.seeing import saw_all
from tests.supervisors.correspondence.small_cluster import A, B, C, Seat, cluster
from tests.supervisors.correspondence.small_entities import Announce

D = 44
NODES = (A, B, C, D)
EACH = 2_500  # watchers on each node
BATCH = 500  # of them come at once, or they would not fit into the room's mailbox
ROUNDS, SAID = 20, 10  # so often so many are said


class Carried(Network):
    """Links of which entries can be counted."""

    def __init__(self) -> None:
        super().__init__()
        self._carriers = MemoryNetwork(random.Random(1))
        self._nursery: trio.Nursery | None = None
        self.instruments: dict[int, Instruments] = {}

    def links_of(self, node: int) -> CarriedLinks:  # type: ignore[override]
        self.instruments[node] = Instruments()
        carrier, to = self._carriers.carrier(node), _To(self, node)
        links = CarriedLinks(node, carrier, to, BusConfig(), self.instruments[node], stopwatch=trio.current_time)
        assert self._nursery is not None
        self._nursery.start_soon(links.run)
        return links

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()


class _To(Correspondent):
    """The correspondent of a node, which comes later than its links."""

    def __init__(self, network: Network, node: int) -> None:
        self._ends, self._node = network.ends, node

    def received(self, node: int, frame: bytes) -> None:
        self._ends[self._node].received(node, frame)

    def parted(self, node: int) -> None:
        self._ends[self._node].parted(node)


async def test_a_room_of_ten_thousand_over_four_nodes(autojump_clock: MockClock) -> None:
    network = Carried()
    async with cluster(*NODES, flush_s=0.02, network=network) as run:
        seats: dict[int, list[Seat]] = {node: [] for node in NODES}
        for number in range(EACH):
            for node in NODES:
                who = Principal(user=f"u{number}", client=f"{node}-{number}")
                seats[node].append(run.nodes[node].watch("hall:a", who))
            if not (number + 1) * len(NODES) % BATCH:
                await trio.sleep(0.1)
        await trio.sleep(1.0)
        assert all(seat.began_at == 0 for each in seats.values() for seat in each)

        sent = network.instruments[A]
        frames, entries = sent.bus_frames_sent, sent.bus_entries_sent
        handed = {node: run.nodes[node].instruments.deliveries for node in NODES}
        began = trio.current_time()
        for round_ in range(ROUNDS):
            for number in range(SAID):
                run.nodes[A].send("hall:a", Announce(text=f"{round_}.{number}"))
                await trio.sleep(COMPANY_S / SAID)
        took_s = trio.current_time() - began
        await trio.sleep(0.2)

        said = ROUNDS * SAID
        assert all(saw_all(seat, said) for each in seats.values() for seat in each)
        assert not sum(seat.starts_over for each in seats.values() for seat in each)
        assert sent.bus_frames_sent - frames == said * (len(NODES) - 1), "one copy a node, however many watch there"
        flushes = took_s / COMPANY_S + 4  # and some that only acknowledge
        assert sent.bus_entries_sent - entries <= flushes * (len(NODES) - 1), "and one entry for all of a flush"
        for node in NODES:
            assert run.nodes[node].instruments.deliveries - handed[node] == said * EACH, "each node hands out its own"
