import hiredis
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from greenroom.transports.bus.carrier import CarrierLost, Trouble
from greenroom.transports.bus.redis.connection import Redirected, RedisConnection, packed, refusal_of


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "full"),
        ("NOAUTH Authentication required.", "denied"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "denied"),
        ("NOPERM User default has no permissions to run the 'xadd' command", "denied"),
        ("ERR AUTH <password> called without any password configured for the default user.", "denied"),
        ("READONLY You can't write against a read only replica.", "read_only"),
        ("LOADING server is loading the dataset in memory", "away"),
        ("CLUSTERDOWN The cluster is down", "away"),
        ("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)", "away"),
        ("BUSY server is busy running a script.", "stalled"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "refused"),
        ("ERR unknown command", "refused"),
    ],
)
def test_what_a_refusal_means(text: str, trouble: Trouble) -> None:
    refusal = refusal_of(hiredis.ReplyError(text))
    assert isinstance(refusal, CarrierLost)
    assert (refusal.trouble, str(refusal)) == (trouble, text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("127.0.0.1", 6381, False)),
        ("ASK 3999 cache:6381", ("cache", 6381, True)),
        ("MOVED 3999 :6381", ("", 6381, False)),
        ("MOVED 3999 ::1:6381", ("::1", 6381, False)),
    ],
)
def test_where_a_redirection_leads(text: str, place: tuple[str, int, bool]) -> None:
    refusal = refusal_of(hiredis.ReplyError(text))
    assert isinstance(refusal, Redirected)
    assert (refusal.host, refusal.port, refusal.asking) == place


def test_commands_are_packed() -> None:
    assert packed("GET", b"\x00", 7) == b"*3\r\n$3\r\nGET\r\n$1\r\n\x00\r\n$1\r\n7\r\n"


async def test_replies_come_in_order_however_they_are_cut() -> None:
    ours, theirs = memory_stream_pair()
    connection = RedisConnection(ours, "it")

    async def answer() -> None:
        await theirs.receive_some(100)
        for byte in b"+OK\r\n-ERR no\r\n*2\r\n:1\r\n$-1\r\n":
            await theirs.send_all(bytes([byte]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        first, second, third = await connection.call(packed("PING") * 3, 3, within_s=5)
    assert (first, str(second), third) == (b"OK", "ERR no", [1, None])
    assert not connection.broken


@pytest.mark.parametrize(("answer", "trouble"), [(b"", "away"), (b"nonsense\r\n", "away"), (None, "stalled")])
async def test_after_a_failure_it_is_closed(answer: bytes | None, trouble: Trouble, autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    connection = RedisConnection(ours, "it")
    if answer:
        await theirs.send_all(answer)
    elif answer is not None:
        await theirs.send_eof()
    with pytest.raises(CarrierLost) as caught:
        await connection.call(packed("PING"), 1, within_s=5)
    assert caught.value.trouble == trouble
    assert connection.broken
    with pytest.raises(CarrierLost):
        await connection.call(packed("PING"), 1, within_s=5)
