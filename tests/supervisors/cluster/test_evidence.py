"""Evidence of a process's end, on the host where it ran."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from greenroom.supervisors.cluster import evidence
from greenroom.supervisors.cluster.evidence import has_ended, this_host, this_process, watched

pytestmark = pytest.mark.skipif(not this_host(), reason="no evidence is to be had on this system")


def reading() -> "subprocess.Popen[bytes]":
    """A process that ends with its input."""
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def test_we_have_not_ended() -> None:
    assert not has_ended(this_host(), this_process())


def test_a_process_has_ended_once_only_its_exit_status_is_left() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    process = f"{child.pid} {evidence._started(child.pid, evidence.PROC)}"
    assert not has_ended(this_host(), process)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
    assert has_ended(this_host(), process)
    child.wait()
    assert has_ended(this_host(), process)


async def test_the_system_tells_at_once_when_a_process_ends() -> None:
    child = reading()
    process = f"{child.pid} {evidence._started(child.pid, evidence.PROC)}"
    descriptor = watched(this_host(), process)
    assert descriptor is not None
    try:
        with trio.move_on_after(0.05) as scope:
            await trio.lowlevel.wait_readable(descriptor)
        assert scope.cancelled_caught, "while it runs it is not"
        assert child.stdin is not None
        child.stdin.close()
        with trio.fail_after(10):
            await trio.lowlevel.wait_readable(descriptor)
        assert has_ended(this_host(), process)
    finally:
        os.close(descriptor)
        child.wait()
    assert watched(this_host(), process) is None


def test_of_another_process_under_its_number_the_system_tells_nothing() -> None:
    pid, _, started = this_process().partition(" ")
    before = sorted(Path("/proc/self/fd").iterdir())
    assert watched(this_host(), f"{pid} {int(started) - 1}") is None
    assert watched("another boot", this_process()) is None
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_another_process_under_its_number_is_not_it() -> None:
    pid, _, started = this_process().partition(" ")
    assert has_ended(this_host(), f"{pid} {int(started) - 1}")


@pytest.mark.parametrize(
    ("host", "process"),
    [("", "1 1"), ("another boot", "1 1"), (this_host(), ""), (this_host(), "x 1")],
)
def test_where_it_can_not_be_known_it_is_not_certain(host: str, process: str) -> None:
    assert not has_ended(host, process)


def test_a_process_whose_start_is_hidden_is_not_certain_to_have_ended(tmp_path: Path) -> None:
    """As where /proc shows everybody only their own."""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("b")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[1]")
    assert not has_ended(this_host(tmp_path), f"{os.getpid()} 1", tmp_path)
