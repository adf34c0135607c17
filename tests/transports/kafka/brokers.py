"""Brokers in this process: librdkafka's own, for tests of clients. They speak Kafka over loopback, keep what they are
given in memory, and fail as they are told to.

Python's binding has no way to them, so they are called in the library that it brings.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka
import msgspec
import trio
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

PRODUCE, INIT_PRODUCER_ID = 0, 22  # kinds of requests: https://kafka.apache.org/protocol#protocol_api_keys
READ_S = 20.0

Handle = ctypes.c_void_p


def _library() -> ctypes.CDLL:
    (path,) = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = Handle
    library.rd_kafka_new.argtypes = [ctypes.c_int, Handle, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [Handle]
    library.rd_kafka_mock_cluster_new.argtypes = [Handle, ctypes.c_int]
    library.rd_kafka_mock_cluster_destroy.argtypes = [Handle]
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [Handle]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_topic_create.argtypes = [Handle, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_topic_set_error.argtypes = [Handle, ctypes.c_char_p, ctypes.c_int]
    library.rd_kafka_mock_broker_set_down.argtypes = [Handle, ctypes.c_int32]
    library.rd_kafka_mock_broker_set_up.argtypes = [Handle, ctypes.c_int32]
    library.rd_kafka_mock_broker_set_rtt.argtypes = [Handle, ctypes.c_int32, ctypes.c_int]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        Handle,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    return library


class Kept(NamedTuple):
    """A record, as whoever reads the topic is given it."""

    partition: int
    key: str
    headers: dict[str, str]
    value: Any

    @property
    def position(self) -> tuple[str, int]:
        return self.key, int(self.headers["offset"])


class Brokers:
    """A cluster of some, numbered from 1. A topic that is not there is made when it is asked for, with 4 partitions."""

    def __init__(self, library: ctypes.CDLL, cluster: int, number: int) -> None:
        self._library = library
        self._cluster = cluster
        self._numbers = range(1, number + 1)
        self.servers = tuple(library.rd_kafka_mock_cluster_bootstraps(cluster).decode().split(","))

    def create(self, topic: str, *, partitions: int) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0

    def go_down(self) -> None:
        for number in self._numbers:
            assert self._library.rd_kafka_mock_broker_set_down(self._cluster, number) == 0

    def come_up(self) -> None:
        for number in self._numbers:
            assert self._library.rd_kafka_mock_broker_set_up(self._cluster, number) == 0

    def answer_after(self, milliseconds: int) -> None:
        """Each request, from now on."""
        for number in self._numbers:
            assert self._library.rd_kafka_mock_broker_set_rtt(self._cluster, number, milliseconds) == 0

    def answer(self, request: int, *errors: int) -> None:
        """The next of these requests with these errors, in turn; nothing of them is kept then."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), array)

    def lose(self, topic: str, error: int) -> None:
        """Of this topic they know only that, from now on."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    async def kept(self, topic: str) -> list[Kept]:
        """All that the topic has, in the order of each partition."""
        return await trio.to_thread.run_sync(partial(self.read, topic))

    def read(self, topic: str) -> list[Kept]:
        """As `kept`, and waits for it."""
        options = {"bootstrap.servers": ",".join(self.servers), "group.id": "tests", "enable.partition.eof": True}
        consumer = Consumer(options | {"auto.offset.reset": "earliest"})
        try:
            partitions = set(consumer.list_topics(topic, timeout=READ_S).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in partitions])
            found: list[Kept] = []
            while partitions:
                message = consumer.poll(READ_S)
                assert message is not None, "the brokers don't answer"
                error = message.error()
                partition, key, value = message.partition(), message.key(), message.value()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    partitions.discard(partition)
                    continue
                assert isinstance(key, bytes) and isinstance(value, bytes) and partition is not None
                headers = {
                    str(name): text.decode() for name, text in list(message.headers() or ()) if isinstance(text, bytes)
                }
                found.append(Kept(partition, key.decode(), headers, msgspec.json.decode(value)))
            return found
        finally:
            consumer.close()


def is_in_order(offsets: Sequence[int]) -> bool:
    """When one comes first, all before it have come."""
    greatest = 0
    for offset in offsets:
        if offset > greatest + 1:
            return False
        greatest = max(greatest, offset)
    return True


@contextmanager
def brokers(number: int = 1) -> Iterator[Brokers]:
    library = _library()
    text = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(0, library.rd_kafka_conf_new(), text, len(text))
    assert client, text.value
    cluster = library.rd_kafka_mock_cluster_new(client, number)
    try:
        yield Brokers(library, cluster, number)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)
