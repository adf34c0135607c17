"""The producer of one sink: hands records to brokers, and returns when each is acknowledged.

Why an entity's order holds, whatever fails, and whenever it is cancelled. All records of an entity are in one
partition. A producer sends what follows only once what precedes is acknowledged (see `options.py`), so what it gets
written of a call is a beginning of that call's records, in order. A call that has failed, or was cancelled, takes its
producer with it: what it has queued is purged, the next one waits until that has been done, and begins anew at the
first event that nobody has noted as delivered. So when an event is written for the first time, all before it are
there. One request may be left that was sent and not answered: a broker that still takes it later writes once more what
was written before, or is about to be written; it leaves nothing out, and whoever keeps the greatest offset passes over
it.

librdkafka has threads of its own; a thread of ours waits for what they report, and is left alone when its call is
cancelled.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

from greenroom.actors.sinks.errors import BatchRefused, Unreachable
from greenroom.transports.kafka.outcome import outcome
from greenroom.transports.kafka.words import Words

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

SLICE_S = 0.1  # after which a thread looks whether anybody still waits for it
END_S = 1.0  # that a call which has failed, or was cancelled, waits for its producer's end
WHY_S = 1.0  # for asking why nothing was acknowledged
TEND_S = 1.0  # between two looks at what librdkafka has to say, while nothing is delivered
THREADS = 3  # one that waits, one that was left and is about to end, one that ends a producer


class Record(NamedTuple):
    """One event, as brokers keep it."""

    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class Reports:
    """What became of the records of one call."""

    def __init__(self) -> None:
        self.produced = 0
        self.reported = 0
        self.errors: dict[int, str] = {}  # by number: as many as there are numbers, at most
        self.is_over = False  # nobody waits any more

    def report_all(self, error: "KafkaError") -> None:
        """Of the producer."""
        self.errors.setdefault(error.code(), error.str())

    def report(self, error: "KafkaError | None", _message: "Message") -> None:
        """Of one record; by the thread that waits."""
        self.reported += 1
        if error is not None:
            self.report_all(error)

    @property
    def outstanding(self) -> int:
        return self.produced - self.reported


class SinkProducer:
    """One call at a time."""

    def __init__(self, make: Callable[[], "Producer"], words: Words, *, timeout_s: float) -> None:
        """`make` makes a producer, in a thread; `words` are what it says."""
        self._make = make
        self._words = words
        self._timeout_s = timeout_s
        self._threads = trio.CapacityLimiter(THREADS)
        self._producer: Producer | None = None
        self._is_sending = False
        self._ended = threading.Event()  # what there was before
        self._ended.set()

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        """Return once all are acknowledged. Raises: Unreachable, BatchRefused: then, and when it is cancelled, some
        are written and some are not, and none will be any more but those of a request that is under way."""
        producer = await self._ready()
        reports = Reports()
        self._words.trouble = ""
        self._is_sending = True
        try:
            with trio.move_on_after(self._timeout_s):
                await self._hand_over(producer, topic, records, reports)
                await self._reported(producer, reports)
            if reports.errors:
                raise outcome(reports.errors)
            if reports.produced < len(records) or reports.outstanding:
                raise Unreachable(await self._why_not(producer, topic))
        except BaseException:
            reports.is_over = True
            await self._end(producer)
            raise
        finally:
            self._is_sending = False

    async def tend(self) -> None:
        """Have librdkafka say what it has to say, also while nothing is delivered: it would keep it all. For ever."""
        while True:
            await trio.sleep(TEND_S)
            producer = self._producer
            if producer is None or self._is_sending:
                continue
            from confluent_kafka import KafkaException

            try:
                producer.poll(0)
            except KafkaException:  # it is of no use any more
                await self._end(producer)

    async def aclose(self) -> None:
        if self._producer is not None:
            await self._end(self._producer)

    async def _ready(self) -> "Producer":
        from confluent_kafka import KafkaException

        if not self._ended.is_set():
            raise Unreachable("the producer before has yet to end")
        if self._producer is None:
            try:
                self._producer = await trio.to_thread.run_sync(self._make, limiter=self._threads)
            except KafkaException as error:
                raise Unreachable(f"no producer can be made: {error.args[0]}") from error
        return self._producer

    async def _hand_over(self, producer: "Producer", topic: str, records: Sequence[Record], reports: Reports) -> None:
        """As many as there is room for; when some are reported, the next. Not any more once one has failed."""
        from confluent_kafka import KafkaException

        for record in records:
            while not reports.errors:
                try:
                    producer.produce(
                        topic, record.value, record.key, headers=record.headers, on_delivery=reports.report
                    )
                except BufferError:
                    if not reports.outstanding:
                        raise BatchRefused(
                            f"an event of {len(record.value)} bytes is more than its queue holds"
                        ) from None
                    await self._reported(producer, reports)
                except KafkaException as error:
                    reports.report_all(error.args[0])
                else:
                    reports.produced += 1
                    break

    async def _reported(self, producer: "Producer", reports: Reports) -> None:
        """Return once all that was handed over is acknowledged, or has failed."""
        from confluent_kafka import KafkaException

        def wait() -> None:
            while reports.outstanding and not reports.is_over:
                try:
                    producer.flush(SLICE_S)
                except KafkaException as error:  # it is of no use any more; what it had is reported all the same
                    reports.report_all(error.args[0])

        await trio.to_thread.run_sync(wait, abandon_on_cancel=True, limiter=self._threads)

    async def _why_not(self, producer: "Producer", topic: str) -> str:
        """Nothing was acknowledged for so long."""
        from confluent_kafka import KafkaException

        def ask() -> str:
            try:
                error: KafkaError | None = producer.list_topics(topic, timeout=WHY_S).topics[topic].error
            except KafkaException as raised:
                error = raised.args[0]
            return error.str() if error is not None else ""

        why = self._words.trouble or await trio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=self._threads)
        return f"not acknowledged within {self._timeout_s:g} s" + (f": {why}" if why else "")

    async def _end(self, producer: "Producer") -> None:
        """What it has queued is not sent; what it has sent is not waited for."""
        from confluent_kafka import KafkaException

        def end() -> None:
            self._words.is_heard = False  # it says that what is purged is missing
            try:
                # `purge` of confluent-kafka has its `blocking` the wrong way round: as it is called here it does not
                # wait until librdkafka's threads have purged. No harm: what they still send until they have is what
                # comes next, in order, and `close` waits for them before there is another producer.
                for step in (producer.purge, partial(producer.flush, SLICE_S), producer.close):
                    with suppress(KafkaException):  # that it is of no use any more, which is why it ends
                        step()
            finally:
                self._words.is_heard = True
                ended.set()

        self._producer = None
        self._ended = ended = threading.Event()
        with trio.move_on_after(END_S, shield=True):
            await trio.to_thread.run_sync(end, abandon_on_cancel=True, limiter=self._threads)
