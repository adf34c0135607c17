"""Only what works in our folder is ever hit, and a stall ends for whoever is in no other one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.faults import Fault
from tests.chaos.processes import Processes

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(100)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path, lambda _: None)
    for name in ("postgres", "valkey"):
        (tmp_path / "data" / name).mkdir(parents=True)
    yield processes
    processes.end()


def sleeper(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(SLEEP, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    return process


@pytest.fixture
def ours(processes: Processes, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with sleeper(tmp_path / "data" / "valkey") as process:
        (tmp_path / "data" / "valkey" / "valkey.pid").write_text(f"{process.pid}\n")
        yield process
        process.kill()


def test_ours_is_killed(processes: Processes, ours: subprocess.Popen[bytes]) -> None:
    assert processes.strike(Fault(0.0, "valkey", "kill", 0.0, 0.0))
    assert ours.wait(10) == -signal.SIGKILL


def test_a_stranger_who_has_the_number_by_now_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    """Ours, to be precise: the test would not survive it."""
    (tmp_path / "data" / "valkey" / "valkey.pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "data" / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
    assert not processes.strike(Fault(0.0, "valkey", "kill", 0.0, 0.0))
    assert not processes.strike(Fault(0.0, "postgres", "kill", 0.0, 0.0))
    assert not processes.strike(Fault(0.0, "backend", "kill", 0.0, 0.0))


def test_nobody_there(processes: Processes) -> None:
    assert not processes.strike(Fault(0.0, "server", "kill", 0.0, 0.0))
    assert not processes.strike(Fault(0.0, "postgres", "stall", 1.0, 0.0))
    assert not processes.struck


def stopped(process: subprocess.Popen[bytes]) -> bool:
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)


def test_of_two_stalls_the_later_end_counts(processes: Processes, ours: subprocess.Popen[bytes]) -> None:
    processes.strike(Fault(0.0, "valkey", "stall", 0.0, 0.0))
    processes.strike(Fault(0.0, "valkey", "stall", 100.0, 0.0))
    os.waitpid(ours.pid, os.WUNTRACED)
    processes._let_go(now=processes._stalled[0][0])
    assert stopped(ours)
    processes.calm()
    os.waitpid(ours.pid, os.WCONTINUED)
    assert not stopped(ours)


def test_whatever_works_in_the_folder_is_ended_even_when_it_is_stalled(
    processes: Processes, ours: subprocess.Popen[bytes]
) -> None:
    processes.strike(Fault(0.0, "valkey", "stall", 100.0, 0.0))
    processes.end()
    assert not psutil.pid_exists(ours.pid)
