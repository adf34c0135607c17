import msgspec
import pytest
import redis
import trio

from greenroom.store.own.servers import OwnServers
from greenroom.transports.bus import beat as bus_module
from greenroom.transports.bus.beat import KEY, Beat, Bus


def beat_of(node: str) -> Beat:
    return Beat(node=node, url="http://a/", version="0", awake=1, connections=2, started_at_ms=3)


async def healthy(bus: Bus, wanted: bool) -> None:
    with trio.fail_after(20):
        while bus.healthy is not wanted:  # noqa: ASYNC110 - somebody else's clock
            await trio.sleep(0.02)


def beating(redis_url: str) -> set[str]:
    """The nodes that have said lately that they are there."""
    with redis.Redis.from_url(redis_url) as client:
        found = [client.get(key) for key in client.scan_iter(match=KEY + "*")]
    return {msgspec.json.decode(one, type=Beat).node for one in found if isinstance(one, bytes)}


async def test_nodes_see_one_another_and_one_that_stops_is_forgotten(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "BEAT_S", 0.05)
    monkeypatch.setattr(bus_module, "BEAT_LIFETIME_MS", 300)
    first, second = Bus(redis_url, lambda: beat_of("a")), Bus(redis_url, lambda: beat_of("b"))
    async with trio.open_nursery() as nursery:
        await nursery.start(first.run)
        async with trio.open_nursery() as inner:
            await inner.start(second.run)
            await healthy(first, True)
            await healthy(second, True)
            assert beating(redis_url) == {"a", "b"}
            inner.cancel_scope.cancel()
        with trio.fail_after(10):
            while beating(redis_url) != {"a"}:  # noqa: ASYNC110 - Valkey's clock
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def test_a_lost_redis_costs_only_the_others_and_comes_back_by_itself(
    own_servers: OwnServers, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "BEAT_S", 0.05)
    bus = Bus(redis_url, lambda: beat_of("a"))
    async with trio.open_nursery() as nursery:
        await nursery.start(bus.run)
        await healthy(bus, True)
        own_servers.restart_valkey()  # on this thread, since it ends with its starter's
        await healthy(bus, True)
        nursery.cancel_scope.cancel()


async def test_no_redis_at_all_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "BEAT_S", 0.01)
    bus = Bus("redis://127.0.0.1:1/0", lambda: beat_of("a"))
    async with trio.open_nursery() as nursery:
        await nursery.start(bus.run)
        await trio.sleep(0.1)
        assert not bus.healthy
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["redis://nobody.invalid", "rediss://127.0.0.1?ssl_ca_certs=/nowhere", "nonsense"])
async def test_a_mistake_with_redis_costs_the_beat_and_nothing_else(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bus_module, "BEAT_S", 0.01)
    bus = Bus(url, lambda: beat_of("a"))
    async with trio.open_nursery() as nursery:
        await nursery.start(bus.run)
        await trio.sleep(1.0)
        assert not bus.healthy
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().out.count("redis_lost") == 1, "once a minute"
