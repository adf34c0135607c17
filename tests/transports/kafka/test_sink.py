"""The Kafka sink on a node with a real Postgres, against brokers that fail."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from greenroom import Batch, Origin, Unreachable
from greenroom.actors.sinks.installed import DEADLINE_MAX_S
from greenroom.actors.sinks.item import item
from greenroom.config.limits import KafkaConfig, SinkConfig
from greenroom.sinks import KafkaSink
from greenroom.transports.kafka.producer import END_S, WHY_S
from tests.actors.views.shows import Clapped, Renamed
from tests.supervisors.views import stage as stages
from tests.supervisors.views.stage import Stage, record, stage, until
from tests.transports.kafka.brokers import Brokers, Kept, brokers, is_in_order


class Claps(KafkaSink):
    of = (Clapped, Renamed)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brokers]:
    """Settings are set once the brokers' ports are known."""
    with brokers(2) as made:
        made.create("claps", partitions=4)
        monkeypatch.setattr(stages, "SINK_CONFIG", config(made, timeout_s=20.0))
        yield made


def config(cluster: Brokers, *, timeout_s: float) -> SinkConfig:
    kafka = KafkaConfig(servers=cluster.servers, security="plaintext", timeout_s=timeout_s, message_bytes_max=10_000)
    return SinkConfig(kafka=kafka)


def offsets(kept: list[Kept], entity: str) -> list[int]:
    return [offset for key, offset in (one.position for one in kept) if key == entity]


async def test_what_is_recorded_is_kept_as_a_webhook_has_it(database_url: str, cluster: Brokers) -> None:
    async with stage(database_url, Claps) as node:
        await node.clap("finale", "ann", 3)
        await node.folded("claps")
    (one,) = await cluster.kept("claps")
    assert one.key == "show:finale"
    assert one.value["data"] == {"user": "ann", "times": 3} and one.value["at"] > 1_700_000_000_000
    assert (one.value["entity"], one.value["offset"], one.value["type"]) == ("show:finale", 1, "show.clapped")
    assert one.headers == {"type": "show.clapped", "epoch": one.value["epoch"], "offset": "1"}
    of = Origin("show:finale", 1, one.value["at"])
    batch = Batch([(Clapped(user="ann", times=3), of)], {"show:finale": one.value["epoch"]})
    assert one.value == item(batch, *batch.events[0]) | {"user": one.value["user"]}


async def test_brokers_that_go_and_come_back_are_given_all_in_order(
    database_url: str, cluster: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SINK_CONFIG", config(cluster, timeout_s=1.0))
    async with stage(database_url, Claps) as node:
        await record(node.pool, "show:a", *(Clapped(user="ann") for _ in range(150)))
        await node.runners.versions.ring("claps")
        await node.folded("claps")
        cluster.go_down()
        for show in ("a", "b"):
            await record(node.pool, f"show:{show}", *(Clapped(user="ann") for _ in range(150)))
        await node.runners.versions.ring("claps")
        await until(lambda: rests(node))
        cluster.come_up()
        await node.folded("claps")
        assert not await node.parked("claps")
    kept = await cluster.kept("claps")
    assert is_in_order(offsets(kept, "show:a")) and set(offsets(kept, "show:a")) == set(range(1, 301))
    assert is_in_order(offsets(kept, "show:b")) and set(offsets(kept, "show:b")) == set(range(1, 151))


async def rests(node: Stage) -> bool:
    return node.instruments.sink_resting.get(("claps", "1")) == 1


async def test_an_event_that_is_too_large_parks_its_entity_alone(database_url: str, cluster: Brokers) -> None:
    async with stage(database_url, Claps) as node:
        for show, title in (("good", "short"), ("bad", "x" * 20_000), ("better", "short")):
            events = (Clapped(user="ann"), Renamed(title=title), Clapped(user="bob"))
            await record(node.pool, f"show:{show}", *events)
        await node.runners.versions.ring("claps")
        await node.folded("claps")
        parked = await node.parked("claps")
        assert list(parked) == ["show:bad"] and "GREENROOM_KAFKA_MESSAGE_BYTES_MAX" in parked["show:bad"]
    kept = await cluster.kept("claps")
    assert offsets(kept, "show:good") == offsets(kept, "show:better") == [1, 2, 3]
    assert offsets(kept, "show:bad") == [1]


@pytest.mark.parametrize(
    ("attributes", "topics", "topic"),
    [({}, {}, "claps"), ({}, {"claps": "other"}, "other"), ({"topic": "own"}, {"claps": "other"}, "own")],
)
def test_the_topic_is_the_sink_s_name_unless_it_is_told_another(
    attributes: dict[str, Any], topics: dict[str, str], topic: str
) -> None:
    sink = type("Claps", (Claps,), attributes)(SinkConfig(kafka=KafkaConfig(topics=topics)))
    assert sink._topic == topic


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(Unreachable, match=r"greenroom\[kafka\]"):
        async with Claps(SinkConfig(kafka=KafkaConfig(servers=("127.0.0.1:9",)))).connected():
            raise AssertionError("it is connected")


async def test_without_settings_it_rests_and_says_so(database_url: str) -> None:
    async with stage(database_url, Claps) as node:
        await node.clap("finale", "ann", 1)
        await until(lambda: rests(node))
        assert not await node.parked("claps")


async def test_what_is_raised_around_a_delivery_comes_as_it_is(cluster: Brokers) -> None:
    with pytest.raises(LookupError, match="this one"):
        async with Claps(config(cluster, timeout_s=20.0)).connected():
            raise LookupError("this one")


def test_nothing_of_it_is_imported_before_it_is_used() -> None:
    code = "import sys, greenroom.sinks; sys.exit('confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("timeout_s", [0.5, 15.0, 300.0])
def test_a_call_has_as_long_as_the_setting_says_and_a_little_for_its_end(timeout_s: float) -> None:
    sink = Claps(SinkConfig(kafka=KafkaConfig(timeout_s=timeout_s)))
    assert timeout_s + END_S + WHY_S < sink.deadline_s <= DEADLINE_MAX_S
