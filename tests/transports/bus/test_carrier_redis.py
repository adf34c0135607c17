"""Links over a real Valkey: the same promises, and what happens when it fails in its own ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import trio

from greenroom.actors.model.errors import Unavailable
from greenroom.config.limits import BusConfig
from greenroom.store.own.servers import OwnServers
from greenroom.transports.bus import carrier_redis
from greenroom.transports.bus.carrier import CarrierLost, Trouble
from greenroom.transports.bus.carrier_redis import INBOX_TTL_S, RedisCarrier
from greenroom.transports.bus.redis.address import target_of
from tests.transports.bus.ends import ANN, BEN, End, two_ends
from tests.transports.bus.promises import PROMISES, Promise
from tests.transports.bus.valkey import CLUSTER, OverValkey, Valkey, inbox

PATIENT = BusConfig(silent_s=60.0, absent_s=60.0)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey").start()
    yield server
    server.kill()


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_over_valkey(promise: Promise, valkey: Valkey) -> None:
    await valkey.answers()
    await promise(OverValkey(valkey))


async def test_over_the_unix_socket_of_our_own_server(own_servers: OwnServers, redis_url: str) -> None:
    def carrier(node: int) -> RedisCarrier:
        return RedisCarrier(target_of(redis_url), CLUSTER, node)

    async with two_ends(carrier, PATIENT) as (ann, ben):
        ann.links.send(BEN, b"there")
        await ben.hears(b"there")
        ben.links.send(ANN, b"back")
        await ann.hears(b"back")


async def healthy(end: End, wanted: bool) -> None:
    with trio.fail_after(20):
        while end.links.healthy is not wanted:  # noqa: ASYNC110 - somebody else's clock
            await trio.sleep(0.02)


async def passes(ann: End, ben: End, frame: bytes) -> None:
    before = len(ben.frames)
    ann.links.send(BEN, frame)
    await ben.until(lambda: len(ben.frames) > before)
    assert ben.frames[before:] == [frame]


async def test_inboxes_of_the_dead_vanish(valkey: Valkey) -> None:
    await valkey.answers()
    async with two_ends(OverValkey(valkey).carrier, PATIENT) as (ann, ben):
        await passes(ann, ben, b"a frame")
        for node in (ANN, BEN):
            await ann.links.drained()
            ttl = valkey.client.ttl(inbox(node))
            assert isinstance(ttl, int)
            assert 0 < ttl <= INBOX_TTL_S
        ann.links.send(0xDEAD, b"to nobody")
        with trio.fail_after(10):
            while not valkey.client.exists(inbox(0xDEAD)):  # noqa: ASYNC110 - Valkey's clock
                await trio.sleep(0.02)
        ttl = valkey.client.ttl(inbox(0xDEAD))
        assert isinstance(ttl, int)
        assert 0 < ttl <= INBOX_TTL_S


@pytest.mark.bound("entries of one inbox")
async def test_an_inbox_that_nobody_reads_has_a_bound(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    await valkey.answers()
    monkeypatch.setattr(carrier_redis, "INBOX_ENTRIES_MAX", 100)
    carrier = OverValkey(valkey).carrier(ANN)
    await carrier.append([(BEN, bytes(5000))] * 1000)
    length = valkey.client.xlen(inbox(BEN))
    assert isinstance(length, int)
    assert 100 <= length <= 200, "about"
    await carrier.aclose()


async def test_a_stalled_server_costs_latency_only(valkey: Valkey, capsys: pytest.CaptureFixture[str]) -> None:
    await valkey.answers()
    async with two_ends(OverValkey(valkey).carrier, PATIENT) as (ann, ben):
        await passes(ann, ben, b"before")
        await healthy(ann, True)
        valkey.stall()
        ann.links.send(BEN, b"meanwhile")
        await healthy(ann, False)
        valkey.go_on()
        await ben.hears(b"before", b"meanwhile")
        assert not ann.partings + ben.partings
    assert "bus_stalled" in capsys.readouterr().out


def waits(carrier: RedisCarrier) -> bool:
    """Asked anew each time, for mypy too."""
    return carrier.is_waiting


async def test_once_an_inbox_is_found_nobody_waits_for_replies_and_the_next_call_has_them(valkey: Valkey) -> None:
    await valkey.answers()
    carrier = OverValkey(valkey).carrier(ANN)
    await carrier.append([(BEN, b"first")])
    assert not waits(carrier)
    valkey.stall()
    with trio.fail_after(1.0):
        await carrier.append([(BEN, b"second")])
    assert waits(carrier)
    valkey.go_on()
    await carrier.append([])
    assert not waits(carrier)
    await carrier.append([(BEN, b"third")])
    valkey.tell("CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
    await carrier.append([(BEN, b"refused")])
    with pytest.raises(CarrierLost) as caught:
        await carrier.append([])
    assert (caught.value.trouble, waits(carrier)) == ("full", False)
    valkey.tell("CONFIG", "SET", "maxmemory", "0")
    await carrier.append([(BEN, b"fourth")])
    assert not waits(carrier), "it is not known any more whether that inbox is there"
    assert valkey.client.xlen(inbox(BEN)) == 4
    await carrier.aclose()


@pytest.mark.parametrize("right", ["client|reply", "xdel"])
async def test_what_was_read_is_deleted_without_a_reply_and_where_it_is_not_the_reply_says_why(
    valkey: Valkey, right: str
) -> None:
    await valkey.answers()
    carrier = OverValkey(valkey).carrier(ANN)
    valkey.tell("ACL", "SETUSER", "default", f"-{right}")
    await carrier.append([(ANN, b"first")])
    assert await carrier.read() == [b"first"]
    for _ in range(3):  # it is read again, if anything, and the reason is asked for
        try:
            await carrier.append([(ANN, b"another")])
            await carrier.read()
        except CarrierLost as error:
            assert (error.trouble, right.partition("|")[0] in str(error).lower()) == ("denied", True)
            break
    else:
        raise AssertionError("nobody has said so")
    valkey.tell("ACL", "SETUSER", "default", f"+{right}")
    with trio.fail_after(10):
        while await carrier.read():
            pass
    assert valkey.client.xlen(inbox(ANN)) == 0
    await carrier.aclose()


async def trouble_comes_and_goes(
    valkey: Valkey, trouble: Trouble, capsys: pytest.CaptureFixture[str], begin: list[str], end: list[str]
) -> None:
    """Links work, then Redis is told `begin` by a command, then `end`; nothing is lost, and one line says why."""
    await valkey.answers()
    async with two_ends(OverValkey(valkey).carrier, PATIENT) as (ann, ben):
        await passes(ann, ben, b"before")
        await healthy(ann, True)
        assert "bus_reached" in capsys.readouterr().out
        valkey.tell(*begin)
        ann.links.send(BEN, b"meanwhile")
        out = ""
        with trio.fail_after(20):
            while f"bus_{trouble}" not in out:
                out += capsys.readouterr().out
                await trio.sleep(0.05)
        await trio.sleep(1.0)
        assert (out + capsys.readouterr().out).count(f"bus_{trouble}") <= 2, "each node, once"
        valkey.tell(*end)
        await ben.hears(b"before", b"meanwhile")
        assert not ann.partings + ben.partings


async def test_a_full_server_costs_latency_only(valkey: Valkey, capsys: pytest.CaptureFixture[str]) -> None:
    full = ["CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction"]
    await trouble_comes_and_goes(valkey, "full", capsys, full, ["CONFIG", "SET", "maxmemory", "0"])


async def test_a_server_that_became_a_replica_costs_latency_only(
    valkey: Valkey, capsys: pytest.CaptureFixture[str]
) -> None:
    replica = ["REPLICAOF", "127.0.0.1", "1"]
    await trouble_comes_and_goes(valkey, "read_only", capsys, replica, ["REPLICAOF", "NO", "ONE"])


async def test_rights_that_were_taken_away_cost_latency_only(
    valkey: Valkey, capsys: pytest.CaptureFixture[str]
) -> None:
    less = ["ACL", "SETUSER", "default", "-xadd"]
    await trouble_comes_and_goes(valkey, "denied", capsys, less, ["ACL", "SETUSER", "default", "+xadd"])


@pytest.mark.parametrize(
    ("args", "login", "trouble"),
    [
        (("--requirepass", "secret"), "", "denied"),
        (("--requirepass", "secret"), ":wrong@", "denied"),
        ((), "ann:secret@", "denied"),
        (("--replicaof", "127.0.0.1 1"), "", "read_only"),
    ],
)
async def test_a_server_that_refuses_from_the_start_is_told_apart(
    args: tuple[str, ...], login: str, trouble: Trouble, tmp_path: Path
) -> None:
    server = Valkey(tmp_path / "valkey", *args).start()
    try:
        await server.answers()
        carrier = RedisCarrier(target_of(f"redis://{login}127.0.0.1:{server.port}"), CLUSTER, ANN)
        with pytest.raises(CarrierLost) as caught:
            await carrier.append([(BEN, b"an entry")])
        assert caught.value.trouble == trouble
        assert "secret" not in str(caught.value)
    finally:
        server.kill()


async def test_the_right_password_lets_in_and_the_database_is_the_one_named(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", "--requirepass", "secret").start()
    try:
        await server.answers()
        carrier = RedisCarrier(target_of(f"redis://:secret@127.0.0.1:{server.port}/3"), CLUSTER, ANN)
        await carrier.append([(ANN, b"an entry")])
        assert await carrier.read() == [b"an entry"]
        with redis.Redis(port=server.port, password="secret", db=3) as client:
            assert client.exists(inbox(ANN))
        await carrier.aclose()
    finally:
        server.kill()


async def test_nobody_there_is_away(tmp_path: Path) -> None:
    for url in ("redis://127.0.0.1:1", "unix:///nowhere/at.sock"):
        carrier = RedisCarrier(target_of(url), CLUSTER, ANN)
        for asked in (carrier.append([(BEN, b"an entry")]), carrier.append([]), carrier.read()):
            with pytest.raises(CarrierLost) as caught:
                await asked
            assert caught.value.trouble == "away"


async def test_without_a_server_sends_are_refused_after_a_while_and_go_once_there_is_one(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey")
    try:
        async with two_ends(OverValkey(server).carrier, BusConfig(silent_s=5.0, absent_s=0.5)) as (ann, ben):
            with trio.fail_after(20):
                while True:
                    try:
                        ann.links.send(BEN, b"refused")
                    except Unavailable:
                        break
                    await trio.sleep(0.05)
            server.start()
            with trio.fail_after(20):
                while True:
                    try:
                        ann.links.send(BEN, b"taken")
                        break
                    except Unavailable:
                        await trio.sleep(0.05)
            await ben.until(lambda: ben.frames[-1:] == [b"taken"])
    finally:
        server.kill()


async def test_a_restart_that_empties_it_costs_latency_only(valkey: Valkey) -> None:
    await valkey.answers()
    async with two_ends(OverValkey(valkey).carrier, PATIENT) as (ann, ben):
        frames = [b"%d" % number for number in range(300)]
        for number, frame in enumerate(frames):
            ann.links.send(BEN, frame)
            ben.links.send(ANN, frame)
            await trio.sleep(0.002)
            if number in (100, 200):
                valkey.kill()
                valkey.start()
        await ben.hears(*frames)
        await ann.hears(*frames)
        assert not ann.partings + ben.partings


async def test_a_clock_set_back_is_no_matter(valkey: Valkey) -> None:
    """Numbers of entries are Redis's time: one begun anew on another host may give lower ones than were read."""
    await valkey.answers()
    async with two_ends(OverValkey(valkey).carrier, PATIENT) as (ann, ben):
        await passes(ann, ben, b"before")
        await ann.links.drained()
        valkey.client.delete(inbox(BEN))
        valkey.client.xadd(inbox(BEN), {"e": b"a stranger's"}, id="1-1")
        await passes(ann, ben, b"after")
        with trio.fail_after(10):
            while ben.instruments.bus_entries_refused != 1:  # noqa: ASYNC110 - Valkey's clock
                await trio.sleep(0.02)


async def test_entries_of_strangers_are_dropped(valkey: Valkey) -> None:
    await valkey.answers()
    carrier = OverValkey(valkey).carrier(ANN)
    valkey.client.xadd(inbox(ANN), {"what": "is", "this": "then"})
    valkey.client.xadd(inbox(ANN), {"e": b"bytes"})
    entries = await carrier.read()
    while len(entries) < 2:
        entries += await carrier.read()
    assert entries == [b"", b"bytes"]
    assert await carrier.read() == []
    assert valkey.client.xlen(inbox(ANN)) == 0
    valkey.client.delete(inbox(ANN))
    valkey.client.set(inbox(ANN), "no stream")
    with pytest.raises(CarrierLost) as caught:
        await carrier.read()
    assert caught.value.trouble == "refused"
    await carrier.aclose()


async def test_a_cancelled_call_leaves_a_carrier_that_works(valkey: Valkey) -> None:
    await valkey.answers()
    carrier = OverValkey(valkey).carrier(ANN)
    await carrier.append([(BEN, b"an entry")])
    valkey.stall()
    for asked in (carrier.append, lambda _: carrier.read()):
        with trio.move_on_after(0.05) as scope:
            await asked([(ANN, b"in doubt")])
        assert scope.cancelled_caught
    valkey.go_on()
    await carrier.append([(ANN, b"an entry")])
    with trio.fail_after(10):
        while (await carrier.read())[-1:] != [b"an entry"]:
            pass
    await carrier.aclose()
