"""The producer against brokers that are slow, down, or refuse what they are given."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from confluent_kafka import KafkaError, KafkaException, Producer
from structlog.testing import capture_logs

from greenroom import BatchRefused, Unreachable
from greenroom.config.limits import KafkaConfig
from greenroom.transports.kafka import producer as module
from greenroom.transports.kafka.options import QUEUE_MESSAGES_MAX, options_of
from greenroom.transports.kafka.producer import Record, SinkProducer
from greenroom.transports.kafka.words import Words
from tests.transports.kafka.brokers import PRODUCE, Brokers, brokers, is_in_order

TOPIC = "shows"
UNTIL_S = 20.0


class Watched(Producer):
    """Sees how many it holds, and what is reported."""

    held = most = reported = refused = 0

    def produce(self, *args: Any, **named: Any) -> None:
        tell = named["on_delivery"]

        def report(*what: Any) -> None:
            self.held -= 1
            self.reported += 1
            tell(*what)

        try:
            super().produce(*args, **named | {"on_delivery": report})
        except BufferError:
            self.refused += 1
            raise
        self.held += 1
        self.most = max(self.most, self.held)


class Far:
    """Brokers, and what a sink's producer makes of them."""

    def __init__(self, cluster: Brokers, *, timeout_s: float, each: int, **options: Any) -> None:
        """`each`: records in one request, at most."""
        self.cluster = cluster
        self.made: list[Watched] = []
        self._options = options_of(KafkaConfig(servers=cluster.servers, security="plaintext", timeout_s=timeout_s))
        self._options |= {"batch.num.messages": each} | options
        self.words = Words("far")
        self.producer = SinkProducer(self.make, self.words, timeout_s=timeout_s)

    def make(self) -> Producer:
        self.made.append(Watched(self._options | {"error_cb": self.words.error, "logger": self.words}))
        return self.made[-1]

    async def offsets(self) -> dict[str, list[int]]:
        """By entity, in the order in which they are kept."""
        found: dict[str, list[int]] = {}
        for one in await self.cluster.kept(TOPIC):
            entity, offset = one.position
            found.setdefault(entity, []).append(offset)
        return found


@asynccontextmanager
async def far(
    number: int = 1, *, partitions: int = 1, timeout_s: float = UNTIL_S, each: int = 10, **options: Any
) -> AsyncIterator[Far]:
    with brokers(number) as cluster:
        cluster.create(TOPIC, partitions=partitions)
        made = Far(cluster, timeout_s=timeout_s, each=each, **options)
        try:
            yield made
        finally:
            await made.producer.aclose()


def records(*entities: str, events: int) -> list[Record]:
    return [
        Record(entity.encode(), b'{"n":%d}' % offset, [("offset", str(offset))])
        for entity in entities
        for offset in range(1, events + 1)
    ]


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(UNTIL_S):
        while not await is_so():  # noqa: ASYNC110
            await trio.sleep(0.02)


async def test_an_entity_is_in_one_partition_and_in_order() -> None:
    entities = [f"show:{number}" for number in range(8)]
    async with far(3, partitions=4) as there:
        await there.producer.send(TOPIC, records(*entities, events=40))
        await there.producer.send(TOPIC, records("show:8", events=1))
        assert await there.offsets() == {key: list(range(1, 41)) for key in entities} | {"show:8": [1]}
        kept = await there.cluster.kept(TOPIC)
        assert len({(one.key, one.partition) for one in kept}) == 9 and len({one.partition for one in kept}) > 1
        assert len(there.made) == 1


@pytest.mark.bound("messages of a Kafka sink that librdkafka holds")
async def test_what_has_no_room_waits_until_what_is_there_is_acknowledged() -> None:
    async with far(each=1_000) as there:
        await there.producer.send(TOPIC, records("show:a", events=2_500))
        assert await there.offsets() == {"show:a": list(range(1, 2_501))}
        (made,) = there.made
        assert made.most == QUEUE_MESSAGES_MAX == 1_000 and made.refused


@pytest.mark.parametrize("refused_after", [0, 2])
async def test_what_follows_a_refused_one_is_not_sent(refused_after: int) -> None:
    """Ten requests of ten, of which one is refused, when it is too late to hold back what was sent with it."""
    async with far() as there:
        there.cluster.answer_after(100)
        there.cluster.answer(PRODUCE, *[0] * refused_after, KafkaError.MSG_SIZE_TOO_LARGE)
        with pytest.raises(BatchRefused, match="too large"):
            await there.producer.send(TOPIC, records("show:a", events=100))
        there.cluster.answer_after(0)
        assert (await there.offsets()).get("show:a", []) == list(range(1, 10 * refused_after + 1))
        await there.producer.send(TOPIC, records("show:a", events=100))
        assert is_in_order((await there.offsets())["show:a"])


async def test_what_is_but_late_is_sent_again_by_itself_and_stays_in_order() -> None:
    async with far() as there:
        for error in (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.REQUEST_TIMED_OUT):
            there.cluster.answer(PRODUCE, 0, error)
        await there.producer.send(TOPIC, records("show:a", events=100))
        offsets = (await there.offsets())["show:a"]
        assert is_in_order(offsets) and offsets[-1] == 100
        assert len(there.made) == 1


async def test_a_call_that_is_cancelled_leaves_nothing_that_comes_later() -> None:
    """Of ten requests the second is under way when it is cancelled: the last that is kept before the next call."""
    async with far() as there:
        there.cluster.answer_after(300)

        async def is_under_way() -> bool:
            return bool(there.made) and there.made[0].reported > 0

        with capture_logs() as logs:
            async with trio.open_nursery() as nursery:  # owner: this test
                nursery.start_soon(there.producer.send, TOPIC, records("show:a", events=100))
                await until(is_under_way)
                nursery.cancel_scope.cancel()
        assert logs == []
        there.cluster.answer_after(0)
        assert there.producer._ended.is_set()
        before = (await there.offsets())["show:a"]
        assert before == list(range(1, len(before) + 1)) and len(before) < 100
        await there.producer.send(TOPIC, records("show:a", events=100))
        assert (await there.offsets())["show:a"] == [*before, *range(1, 101)]
        assert len(there.made) == 2


async def test_while_it_waits_others_have_their_turn_and_what_comes_back_is_used() -> None:
    async with far() as there:
        there.cluster.go_down()
        async with trio.open_nursery() as nursery:  # owner: this test
            nursery.start_soon(there.producer.send, TOPIC, records("show:a", events=100))
            await trio.testing.wait_all_tasks_blocked(0.3)
            there.cluster.come_up()
        assert await there.offsets() == {"show:a": list(range(1, 101))}


async def test_brokers_that_are_away_are_waited_for_so_long_and_it_is_said_why() -> None:
    async with far(timeout_s=1.0) as there:
        there.cluster.go_down()
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"within 1 s: .*(refused|transport|Timed out)"):
                await there.producer.send(TOPIC, records("show:a", events=100))
        there.cluster.come_up()
        there.producer._timeout_s = UNTIL_S
        await there.producer.send(TOPIC, records("show:a", events=100))
        assert await there.offsets() == {"show:a": list(range(1, 101))}


async def test_a_topic_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHY_S", UNTIL_S)
    async with far(timeout_s=1.0) as there:
        there.cluster.lose("nowhere", KafkaError.UNKNOWN_TOPIC_OR_PART)
        with pytest.raises(Unreachable, match="Unknown topic"):
            await there.producer.send("nowhere", records("show:a", events=1))


@pytest.mark.parametrize(
    "error", [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.TOPIC_AUTHORIZATION_FAILED], ids=["order", "rights"]
)
async def test_one_that_is_of_no_use_any_more_is_made_anew(error: int) -> None:
    async with far() as there:
        there.cluster.answer(PRODUCE, 0, error)
        with pytest.raises(Unreachable):
            await there.producer.send(TOPIC, records("show:a", events=100))
        await there.producer.send(TOPIC, records("show:a", events=100))
        assert len(there.made) == 2
        offsets = (await there.offsets())["show:a"]
        assert is_in_order(offsets) and offsets[-100:] == list(range(1, 101))


async def test_brokers_that_do_not_let_us_in_are_unreachable_and_told_no_password_in_the_log() -> None:
    """These know no SASL at all."""
    options: dict[str, Any] = {"security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN"}
    options |= {"sasl.username": "ann", "sasl.password": "hunter2"}
    with capture_logs() as logs:
        async with far(timeout_s=3.0, **options) as there:
            with pytest.raises(Unreachable, match="not acknowledged") as raised:
                await there.producer.send(TOPIC, records("show:a", events=1))
    assert [one for one in logs if one["event"] == "kafka_warned"]
    assert "hunter2" not in str(logs) + str(raised.value)


async def test_what_the_library_says_is_heard_while_nothing_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEND_S", 0.05)
    async with far() as there, trio.open_nursery() as nursery:  # owner: this test
        nursery.start_soon(there.producer.tend)
        await there.producer.send(TOPIC, records("show:a", events=1))
        there.cluster.go_down()

        async def is_heard() -> bool:
            return bool(there.words.trouble)

        await until(is_heard)
        nursery.cancel_scope.cancel()


async def test_one_that_can_not_be_made_is_unreachable() -> None:
    def make() -> Producer:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "no such file"))

    with pytest.raises(Unreachable, match="no such file"):
        await SinkProducer(make, Words("far"), timeout_s=1.0).send(TOPIC, records("show:a", events=1))


class Stuck:
    """Acknowledges nothing, and does not end before it is let."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.is_waited_for = threading.Event()

    def produce(self, *args: Any, **named: Any) -> None: ...

    def flush(self, timeout: float) -> int:
        self.is_waited_for.set()
        return 1

    def purge(self) -> None:
        self.may_end.wait(UNTIL_S)

    def close(self) -> bool:
        return True


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    monkeypatch.setattr(module, "END_S", 0.01)
    made = Stuck()
    yield made
    made.may_end.set()


async def test_no_call_begins_before_what_the_one_before_has_left_is_purged(stuck: Stuck) -> None:
    there: Any = stuck
    producer = SinkProducer(lambda: there, Words("far"), timeout_s=UNTIL_S)

    async def is_waited_for() -> bool:
        return stuck.is_waited_for.is_set()

    async with trio.open_nursery() as nursery:  # owner: this test
        nursery.start_soon(producer.send, TOPIC, records("show:a", events=1))
        await until(is_waited_for)
        nursery.cancel_scope.cancel()
    with pytest.raises(Unreachable, match="has yet to end"):
        await producer.send(TOPIC, records("show:a", events=1))
    stuck.may_end.set()
    assert await trio.to_thread.run_sync(producer._ended.wait, UNTIL_S)


class Broken(Stuck):
    """Says at each step that it is of no use any more, and acknowledges nothing."""

    def poll(self, timeout: float) -> int:
        raise KafkaException(KafkaError(KafkaError._FATAL, "fenced"))

    def flush(self, timeout: float) -> int:
        return self.poll(timeout)

    def purge(self) -> None:
        self.poll(0)

    def close(self) -> bool:
        return bool(self.poll(0))


async def test_one_that_breaks_while_nothing_is_delivered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEND_S", 0.01)
    there: Any = Broken()
    producer = SinkProducer(lambda: there, Words("far"), timeout_s=UNTIL_S)
    await producer._ready()

    async def is_given_up() -> bool:
        return producer._producer is None and producer._ended.is_set()

    async with trio.open_nursery() as nursery:  # owner: this test
        nursery.start_soon(producer.tend)
        await until(is_given_up)
        nursery.cancel_scope.cancel()


async def test_one_that_breaks_as_it_ends_hides_nothing_of_why() -> None:
    there: Any = Broken()
    with pytest.raises(Unreachable, match="fenced"):
        await SinkProducer(lambda: there, Words("far"), timeout_s=0.2).send(TOPIC, records("show:a", events=1))
