"""The Kafka sink: events handed to a topic, a record each.

    class Orders(KafkaSink, version=1):       # GREENROOM_KAFKA_SERVERS=broker:9092
        of = (Ordered, Cancelled)

The key is the entity's name, so one partition has all of one entity. The value is what a webhook has for one event, and
the headers are its `type`, `epoch` and `offset`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec
import trio

from greenroom.actors.model.message import Event, tag_of
from greenroom.actors.sinks.errors import BatchRefused, Unreachable
from greenroom.actors.sinks.item import item
from greenroom.actors.sinks.sink import Batch, Sink
from greenroom.actors.views.view import Origin
from greenroom.config.limits import SinkConfig
from greenroom.transports.kafka.options import Options, options_of
from greenroom.transports.kafka.producer import Record, SinkProducer
from greenroom.transports.kafka.words import Words

if TYPE_CHECKING:
    from confluent_kafka import Producer

ENDS_S = 5.0  # behind GREENROOM_KAFKA_TIMEOUT_S, in which a call asks why, and ends its producer


class KafkaSink(Sink):
    """Subclass it with an `of`. Brokers are settings; an attribute `topic` takes the setting's place."""

    topic: ClassVar[str] = ""

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        self.deadline_s = config.kafka.timeout_s + ENDS_S
        self._topic = self.topic or config.kafka.topics.get(self.name, self.name)
        self._producer: SinkProducer | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Raises: Unreachable when a setting or the library is missing."""
        kafka = self.config.kafka
        options = options_of(kafka)
        secret = kafka.sasl_password.get_secret_value() if kafka.sasl_password is not None else ""
        words = Words(self.name, secret=secret)
        self._producer = SinkProducer(partial(made, options, words), words, timeout_s=kafka.timeout_s)
        check_installed()
        wrong: Exception | None = None
        async with trio.open_nursery() as nursery:  # owner: this call; its one task only listens
            nursery.start_soon(self._producer.tend)
            try:
                yield
            except Exception as error:  # told below: out of the nursery it would come as a group
                wrong = error
            finally:
                nursery.cancel_scope.cancel()
                await self._producer.aclose()
        if wrong is not None:
            raise wrong

    async def deliver(self, batch: Batch) -> None:
        """See Sink. Raises: Unreachable, BatchRefused."""
        assert self._producer is not None
        records = [record(batch, event, of) for event, of in batch]
        bytes_max = self.config.kafka.message_bytes_max
        for one in records:  # all before the first is sent: the halves that follow send none twice for it
            if (size := len(one.key) + len(one.value)) > bytes_max:
                raise BatchRefused(f"an event of {size} bytes is above GREENROOM_KAFKA_MESSAGE_BYTES_MAX, {bytes_max}")
        await self._producer.send(self._topic, records)


def record(batch: Batch, event: Event, of: Origin) -> Record:
    """One event as brokers keep it."""
    return Record(
        of.entity.encode(),
        msgspec.json.encode(item(batch, event, of)),
        [("type", tag_of(type(event))), ("epoch", batch.epoch(of)), ("offset", str(of.offset))],
    )


def check_installed() -> None:
    """Raises: Unreachable."""
    try:
        import confluent_kafka  # noqa: F401
    except ImportError as error:
        raise Unreachable("a KafkaSink needs the package confluent-kafka: install greenroom[kafka]") from error


def made(options: Options, words: Words) -> "Producer":
    """Raises: KafkaException."""
    from confluent_kafka import Producer

    return Producer({**options, "error_cb": words.error, "logger": words})
