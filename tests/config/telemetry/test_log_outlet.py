"""A reader that stopped reading holds nobody up: lines beyond the bound are dropped, and counted."""

import fcntl
import os
import threading
from collections.abc import Iterator

import pytest
import structlog

from greenroom.config.limits import LogConfig
from greenroom.config.telemetry import log_outlet
from greenroom.config.telemetry.log_outlet import Outlet, pieces
from greenroom.config.telemetry.logs import configure_logs, dropped_lines, logs_aside

PIPE_BYTES = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its two ends, reading and writing; it holds PIPE_BYTES."""
    reads, writes = os.pipe()
    fcntl.fcntl(writes, 1031, PIPE_BYTES)  # F_SETPIPE_SZ
    yield reads, writes
    for descriptor in (reads, writes):
        try:
            os.close(descriptor)
        except OSError:
            continue


@pytest.fixture(autouse=True)
def _restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(log_outlet, "GOODBYE_S", 3.0)  # the machine may be busy; who is done does not wait
    yield
    structlog.reset_defaults()


@pytest.mark.bound("lines of the log that nobody takes")
def test_lines_that_nobody_reads_are_dropped_and_counted_and_hold_nobody_up(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    line = b"x" * 999 + b"\n"
    outlet = Outlet(writes)
    with outlet.writing():
        for _ in range(5_000):
            outlet.put(line)
        taken = 5_000 - outlet.dropped
        assert outlet.dropped > 0
        assert taken * len(line) <= log_outlet.WAITING_BYTES_MAX + PIPE_BYTES
        read = b""
        while len(read) < taken * len(line):  # whoever reads at last gets all that was taken, whole
            read += os.read(reads, 65_536)
    assert read == line * taken
    assert outlet.emptied


def test_a_reader_that_is_gone_costs_its_lines_alone(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    os.close(reads)
    outlet = Outlet(writes)
    with outlet.writing():
        outlet.put(b"lost\n")
    assert (outlet.dropped, outlet.emptied) == (1, True)


def test_the_logs_of_who_serves_go_that_way(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    with open(writes, "w", closefd=False) as stream:
        configure_logs(LogConfig(format="json"), stream)
        with logs_aside():
            structlog.get_logger("node").warning("kept", word="ж")
            assert b'"event": "kept"' in os.read(reads, 65_536)
            for number in range(20_000):
                structlog.get_logger("node").warning("unread", number=number)
            reader = threading.Thread(target=_read_all, args=(reads,))  # so that the thread that writes can end
            reader.start()
        assert dropped_lines() > 0
    os.close(writes)
    reader.join()


def _read_all(reads: int) -> None:
    while os.read(reads, 65_536):
        pass


def test_what_is_left_is_written_at_the_end_and_then_lines_go_straight_again(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    with open(writes, "w", closefd=False) as stream:
        configure_logs(LogConfig(format="json"), stream)
        with logs_aside():
            structlog.get_logger("node").info("before")
        structlog.get_logger("node").info("after")
    read = os.read(reads, 65_536)
    assert read.index(b"before") < read.index(b"after")
    assert dropped_lines() == 0


def test_lines_are_written_whole_and_so_many_at_once_as_no_other_process_can_come_between() -> None:
    long, short = b"x" * 9_999 + b"\n", b"y" * 999 + b"\n"
    data = short * 7 + long + short * 3 + b"no end"
    written = list(pieces(data))
    assert b"".join(written) == data
    assert [len(piece) for piece in written] == [4_000, 3_000, 10_000, 3_006]
    assert list(pieces(b"")) == []
