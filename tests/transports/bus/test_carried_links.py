"""Links over memory, in virtual time: what they promise, and that no weather makes them break it."""

import random

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from greenroom.actors.model.errors import ActorError, Overloaded
from greenroom.config.limits import BusConfig
from greenroom.transports.bus import carried_links
from greenroom.transports.bus.carried_links import COMPANY_S, LinkState
from greenroom.transports.bus.carrier_memory import MemoryCarrier, MemoryNetwork, Weather
from greenroom.transports.bus.entries import FRAME_COST
from greenroom.transports.bus.link import Link
from tests.steps import counted_steps
from tests.transports.bus.ends import ANN, BEN, End, two_ends
from tests.transports.bus.promises import CONFIG, PROMISES, Promise


class OverMemory:
    """See `promises.Surroundings`."""

    def __init__(self) -> None:
        self.network = MemoryNetwork(random.Random(1))
        self.network.weather.delay_s = (0.0001, 0.001)

    def carrier(self, node: int) -> MemoryCarrier:
        return self.network.carrier(node)

    async def wipe(self) -> None:
        self.network.wipe()

    async def go(self) -> None:
        self.network.weather.trouble = "away"
        self.network.wipe()

    async def come_back(self) -> None:
        self.network.weather.trouble = None

    async def depth(self, node: int) -> int:
        return self.network.depth(node)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_over_memory(promise: Promise, autojump_clock: MockClock) -> None:
    await promise(OverMemory())


# So much is lost that now and then all tries of five seconds are: how often a link parts so is not asked here.
PATIENT_S = 30.0
BAD_WEATHER = Weather(delay_s=(0.0, 0.002), loss=0.1, repeat=0.1, late=0.1, unsure=0.1)


@pytest.mark.parametrize("seed", range(5))
async def test_weather_that_lets_something_through_parts_no_link(seed: int, autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(seed))
    network.weather = BAD_WEATHER
    async with two_ends(network.carrier, BusConfig(entry_bytes_max=1024, silent_s=PATIENT_S)) as (ann, ben):
        frames = [b"%d" % number for number in range(2000)]
        for number, frame in enumerate(frames):
            ann.links.send(BEN, frame)
            ben.links.send(ANN, frame)
            if not number % 7:
                await trio.sleep(0.001)
        await ben.hears(*frames, within_s=600)
        await ann.hears(*frames, within_s=600)
        assert not ann.partings + ben.partings
        assert ann.instruments.bus_entries_resent, "nothing was lost, so this has shown nothing"


class Diary:
    """What one end has sent and heard, in one order; what arrives is checked against the other end's."""

    def __init__(self, end: End, node: int, other: int) -> None:
        self._end = end
        self._node, self._other = node, other
        self.sent = 0  # the number of the last frame
        self.partings_at: list[int] = [0]  # the numbers that had been sent when the link parted
        self.heard = 0
        self._parted = False  # since the last frame that was heard
        self.wrong: list[str] = []
        end.on_parted = self._on_parted

    def send(self, size: int) -> None:
        try:
            self._end.links.send(self._other, b"%d " % (self.sent + 1) + bytes(size))
        except ActorError:
            return
        self.sent += 1

    def hear(self, frame: bytes, other: "Diary") -> None:
        number = int(frame.partition(b" ")[0])
        # Gathered, since what is raised here costs but the frame.
        if number <= self.heard:
            self.wrong.append(f"{number} came after {self.heard}: twice, or late")
        elif self._parted and number - 1 not in other.partings_at:
            self.wrong.append(
                f"{number} is not the first that was sent after its sender heard that the link had parted"
            )
        elif not self._parted and number != self.heard + 1:
            self.wrong.append(f"{number} follows {self.heard}, and nobody was told")
        self.heard, self._parted = number, False

    def _on_parted(self, _: int) -> None:
        self._parted = True
        self.partings_at.append(self.sent)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 1), st.integers(1, 30)),
        st.tuples(st.just("pass"), st.sampled_from([0.001, 0.05, 0.3, 2.0]), st.just(0)),
        st.tuples(st.just("weather"), st.floats(0, 1), st.floats(0, 1)),
        st.tuples(st.just("cut"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("wipe"), st.just(0), st.just(0)),
        st.tuples(st.just("trouble"), st.booleans(), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, seed=st.integers(0, 2**16))
def test_in_any_weather_frames_come_once_and_in_order_and_what_is_lost_is_told(
    steps: list[tuple[str, float, float]], seed: int
) -> None:
    async def world() -> None:
        network = MemoryNetwork(random.Random(seed), inbox_entries_max=50)
        network.weather.delay_s = (0.0, 0.01)
        config = BusConfig(silent_s=1.0, absent_s=0.5, window_entries=8, entry_bytes_max=200)
        async with two_ends(network.carrier, config) as (ann, ben):
            anns, bens = Diary(ann, ANN, BEN), Diary(ben, BEN, ANN)
            ann.on_frame = lambda _, frame: anns.hear(frame, bens)
            ben.on_frame = lambda _, frame: bens.hear(frame, anns)
            for kind, first, second in steps:
                weather = network.weather
                match kind:
                    case "send":
                        for number in range(int(second)):
                            (bens if first else anns).send(size=number)
                    case "pass":
                        await trio.sleep(first)
                    case "weather":
                        weather.loss = weather.repeat = first * 0.7
                        weather.late = weather.unsure = second * 0.7
                    case "cut":
                        network.cut = [set(), {(ANN, BEN)}, {(BEN, ANN)}][int(first)]
                    case "wipe":
                        network.wipe()
                    case "trouble":
                        weather.trouble = "away" if first else None
            network.weather, network.cut = Weather(), set()
            await trio.sleep(5.0)
            assert not anns.wrong + bens.wrong
            for diary, other in ((anns, bens), (bens, anns)):
                before = diary.sent
                diary.send(size=0)
                assert diary.sent == before + 1, "refused in the best of weathers"
                await trio.sleep(1.0)
                assert other.heard == diary.sent, "it did not arrive in the best of weathers"
            assert not anns.wrong + bens.wrong
            assert not ann.instruments.bus_entries_refused + ben.instruments.bus_entries_refused

    trio.run(world, clock=MockClock(autojump_threshold=0))


async def test_a_lone_frame_waits_for_nobody_and_a_flood_gathers(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        begun = trio.current_time()
        ann.links.send(BEN, b"alone")
        await ben.hears(b"alone")
        assert trio.current_time() == begun
        for _ in range(1000):
            ann.links.send(BEN, b"one of many")
        await ben.until(lambda: len(ben.frames) == 1001)
        assert ann.instruments.bus_entries_sent == 2
        assert ann.instruments.bus_frames_sent == ben.instruments.bus_frames_received == 1001


async def test_what_may_wait_does_so_once_something_has_left_and_goes_with_what_may_not(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        begun = trio.current_time()
        ann.links.send(BEN, b"0", may_wait=True)
        await ben.hears(b"0")
        assert trio.current_time() == begun, "a lone one waits for nobody"
        for number in range(1, 40):
            ann.links.send(BEN, b"%d" % number, may_wait=True)
            await trio.sleep(COMPANY_S / 10)
        await ben.until(lambda: len(ben.frames) == 40)
        assert ann.instruments.bus_entries_sent <= 1 + 5
        assert trio.current_time() - begun <= 5 * COMPANY_S + 1e-6
        ann.links.send(BEN, b"40", may_wait=True)
        ann.links.send(BEN, b"41")
        now = trio.current_time()
        await ben.hears(*[b"%d" % number for number in range(42)])
        assert trio.current_time() == now


async def test_what_comes_one_way_is_acknowledged_soon_in_one_entry(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        for _ in range(10):
            ann.links.send(BEN, b"a frame")
            await trio.sleep(0.0005)
        await ann.links.drained()
        assert ben.instruments.bus_entries_sent == 1


async def test_idle_links_say_nothing(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        ann.links.send(BEN, b"a frame")
        await ann.links.drained()
        await trio.sleep(1.0)
        said = ann.instruments.bus_entries_sent + ben.instruments.bus_entries_sent
        with counted_steps() as taken:
            await trio.sleep(3600.0)
        assert ann.instruments.bus_entries_sent + ben.instruments.bus_entries_sent == said
        assert not [name for name in taken if name.endswith("_tend")]


async def test_what_is_lost_of_a_link_that_was_idle_is_found_out(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        ann.links.send(BEN, b"a frame")
        await ben.hears(b"a frame")
        await trio.sleep(60.0)
        network.weather.loss = 1.0
        ann.links.send(BEN, b"another")
        await trio.sleep(0.05)
        network.weather.loss = 0.0
        await ben.hears(b"a frame", b"another", within_s=1.0)


async def test_a_node_that_reads_nothing_is_given_up_and_heard_again(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    network.cut = {(ANN, BEN)}
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        ann.links.send(BEN, b"lost")
        assert ann.links.states()[BEN] == LinkState(silent=False, held_frames=1, held_bytes=4 + FRAME_COST)
        await ann.until(lambda: ann.partings > 0)
        with pytest.raises(ActorError, match="does not answer"):
            ann.links.send(BEN, b"refused")
        assert ann.links.states()[BEN] == LinkState(silent=True, held_frames=0, held_bytes=0)
        network.cut = set()
        await trio.sleep(1.5)
        ann.links.send(BEN, b"after")
        await ben.until(lambda: len(ben.heard) == 2)
        assert ben.heard == [(ANN, None), (ANN, b"after")]
        assert ann.partings == 1


async def test_while_the_carrier_is_away_sends_are_refused_before_anything_is_given_up(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, BusConfig(silent_s=60.0, absent_s=0.5)) as (ann, ben):
        network.weather.trouble = "away"
        ann.links.send(BEN, b"waits")
        await trio.sleep(1.0)
        with pytest.raises(ActorError, match="can't be reached"):
            ann.links.send(BEN, b"refused")
        await trio.sleep(30.0)
        network.weather.trouble = None
        with trio.fail_after(5):
            while not ann.links.healthy:  # noqa: ASYNC110 - only the carrier's clock goes on
                await trio.sleep(0.001)
        await ben.hears(b"waits", within_s=0.01)
        assert not ann.partings + ben.partings


async def test_a_carrier_that_nobody_needs_is_reached_all_the_same(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    network.weather.trouble = "away"
    async with two_ends(network.carrier, CONFIG) as (ann, _):
        await trio.sleep(10.0)
        network.weather.trouble = None
        await trio.sleep(3.0)
        assert ann.links.healthy
        ann.links.send(BEN, b"taken at once")


async def test_from_within_parted_one_may_send_again(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    network.cut = {(ANN, BEN)}
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        ben.on_parted = lambda node: ben.links.send(node, b"again")
        ann.links.send(BEN, b"lost")
        await ann.until(lambda: ann.partings > 0)
        network.cut = set()
        await ann.hears(b"again")


async def test_who_is_forgotten_amid_an_entry_is_not_heard_further(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        ben.on_frame = lambda node, frame: ben.links.forget(node)
        ann.links.send(BEN, b"first")
        ann.links.send(BEN, b"second")
        await ben.until(lambda: ben.partings > 0)
        await trio.sleep(1.0)
        assert ben.heard == [(ANN, b"first"), (ANN, None)]


async def test_a_frame_that_fails_costs_itself_alone(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: int, frame: bytes) -> None:
        if frame == b"bad":
            raise ValueError("a mistake")

    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        ben.on_frame = fail
        for frame in (b"good", b"bad", b"good"):
            ann.links.send(BEN, frame)
        await ben.hears(b"good", b"bad", b"good")
    assert capsys.readouterr().out.count("] frame_failed") == 1


@pytest.mark.parametrize("raw", [b"", b"\x97", b"\x97\x02" + bytes(20), b"\x97\x01" + bytes(20), b"hello, is this on?"])
async def test_what_is_no_entry_is_refused_and_counted(
    raw: bytes, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        for _ in range(3):
            network.put(ANN, BEN, raw)
        ann.links.send(BEN, b"a frame")
        await ben.hears(b"a frame")
        assert ben.instruments.bus_entries_refused == 3
    assert capsys.readouterr().out.count("bus_entry_refused") == 1


async def test_long_entries_let_others_have_their_turn(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried_links, "SLICE_S", 0.0)
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, ben):
        turns: list[int] = []

        async def others() -> None:
            while True:
                turns.append(len(ben.frames))
                await trio.lowlevel.checkpoint()

        def begin(_: int, __: bytes) -> None:
            if len(ben.frames) == 1:
                nursery.start_soon(others)

        ben.on_frame = begin
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                ann.links.send(BEN, b"a frame")
            await ben.until(lambda: len(ben.frames) == 1000)
            nursery.cancel_scope.cancel()
        assert len(set(turns)) > 10  # of 31, but who comes first in a turn of the loop is left to chance


async def test_many_short_entries_let_others_have_their_turn(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried_links, "SLICE_S", 0.0)
    network = MemoryNetwork(random.Random(1))
    raws = []
    other = Link(0xCA7, BEN, CONFIG)
    for _ in range(50):
        other.put(b"a frame")
        raws += other.take()
    async with two_ends(network.carrier, CONFIG) as (_, ben):
        turns: list[int] = []
        ben.on_frame = lambda _, __: nursery.start_soon(look)

        async def look() -> None:
            turns.append(len(ben.frames))

        async with trio.open_nursery() as nursery:
            for raw in raws:
                network.put(0xCA7, BEN, raw)
            await ben.until(lambda: len(ben.frames) == 50)
        assert len(set(turns)) > 20


@pytest.mark.bound("links to other nodes")
async def test_there_are_only_so_many_links(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried_links, "PEERS_MAX", 3)
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, _):
        for node in (1, 2, 3):
            ann.links.send(node, b"a frame")
        with pytest.raises(Overloaded):
            ann.links.send(4, b"a frame")


@pytest.mark.bound("nodes known to be gone")
async def test_so_many_that_are_gone_are_remembered(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried_links, "FORGOTTEN_MAX", 3)
    network = MemoryNetwork(random.Random(1))
    async with two_ends(network.carrier, CONFIG) as (ann, _):
        for node in (1, 2, 3, 4):
            ann.links.forget(node)
        for node in (2, 3, 4):
            with pytest.raises(ActorError, match="is gone"):
                ann.links.send(node, b"a frame")
        ann.links.send(1, b"a frame")
