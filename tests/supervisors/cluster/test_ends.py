"""Who has ended on this host, by word of the system and without it."""

import subprocess
import sys

import pytest
import trio
from trio.testing import MockClock

from greenroom.store.ownership.referee import Member
from greenroom.supervisors.cluster import evidence
from greenroom.supervisors.cluster.ends import EVIDENCE_S, Ends
from greenroom.supervisors.cluster.evidence import has_ended, this_host


def member(incarnation: int, host: str, process: str) -> Member:
    return Member(incarnation, "u", "1", host, process, "up", 100, False, 5.0, 0.0, 0)


def reading() -> "subprocess.Popen[bytes]":
    """A process that ends with its input."""
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


@pytest.mark.skipif(not this_host(), reason="no evidence is to be had on this system")
async def test_an_end_is_seen_as_soon_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has looked meanwhile."""
    child = reading()
    process = f"{child.pid} {evidence._started(child.pid, evidence.PROC)}"
    others = [member(1, this_host(), process)]
    seen = trio.Event()
    monkeypatch.setattr("greenroom.supervisors.cluster.ends.EVIDENCE_S", 3600.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Ends(others=lambda: others, ended=has_ended, seen=seen.set).run)
        await trio.sleep(0.05)
        assert not seen.is_set()
        assert child.stdin is not None
        child.stdin.close()
        with trio.fail_after(10):
            await seen.wait()
        nursery.cancel_scope.cancel()
    child.wait()


async def test_where_the_system_tells_nothing_it_is_looked_for(autojump_clock: MockClock) -> None:
    dead: set[str] = set()
    others = [member(1, "elsewhere", "one"), member(2, "elsewhere", "two")]
    seen: list[float] = []
    ends = Ends(
        others=lambda: others,
        ended=lambda host, process: process in dead,
        seen=lambda: seen.append(trio.current_time()),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.run)
        await trio.sleep(10.0)
        assert not seen
        dead.add("two")
        died = trio.current_time()
        await trio.sleep(5 * EVIDENCE_S)
        assert died <= seen[0] <= died + EVIDENCE_S
        assert len(seen) >= 4, "and told again, for as long as it is there"
        others.pop()
        told = len(seen)
        await trio.sleep(1.0)
        assert len(seen) == told
        nursery.cancel_scope.cancel()
