"""Processes of our own servers: they end with us, are found by their pid, and ended, the stubborn ones too."""

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from greenroom.store.own.processes import die_with_parent, end, end_pid, environment, exists, pid_in, runs

# It says that it is ready by closing its output, so that no signal comes before the handler.
STUBBORN = "import signal,sys,os;signal.signal(signal.SIGTERM,signal.SIG_IGN);os.close(1);signal.pause()"


def started(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        output.read()
    return process


def test_a_child_is_not_started_on_a_thread_that_will_retire() -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            die_with_parent(signal.SIGTERM)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_child_ends_with_the_process_that_started_it() -> None:
    parent = (
        "import signal, subprocess, sys\n"
        "from greenroom.store.own.processes import die_with_parent\n"
        "child = subprocess.Popen([sys.executable, '-c', 'print(1, flush=True); input()'], stdin=subprocess.PIPE,\n"
        "                         stdout=subprocess.PIPE, preexec_fn=die_with_parent(signal.SIGTERM))\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        handle = os.pidfd_open(child)
        process.kill()
        process.wait()
        assert select.select([handle], [], [], 10.0)[0], "the child lives on"


def test_one_that_takes_no_heed_is_killed_in_the_end() -> None:
    process = started(STUBBORN)
    end(process, ((signal.SIGTERM, 0.05),))
    assert process.poll() == -signal.SIGKILL
    end(process, ((signal.SIGTERM, 0.05),))  # nobody is left, and nothing is signalled


def test_one_that_is_no_child_is_ended_too_and_counts_as_gone_though_nobody_has_looked() -> None:
    process = started(STUBBORN)
    try:
        assert exists(process.pid) and runs(process.pid, "signal.pause") and not runs(process.pid, "/other/folder")
        end_pid(process.pid, ((signal.SIGTERM, 0.05), (signal.SIGKILL, 5.0)))
        assert not exists(process.pid), "a zombie holds nothing"
        assert not runs(process.pid, "signal.pause")
    finally:
        process.kill()
        process.wait()
    assert not exists(process.pid)
    end_pid(process.pid, ((signal.SIGTERM, 5.0),))


def test_a_pid_file_holds_a_number_or_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    found = []
    for text in ("123\n/data\n", "", "x\n", "-1\n"):
        path.write_text(text)
        found.append(pid_in(path))
    assert found == [123, None, None, None] and pid_in(tmp_path / "none") is None


def test_servers_get_nothing_of_our_settings() -> None:
    assert set(environment()) == {"PATH", "LC_ALL", "TZ"} and environment()["PATH"] == os.environ["PATH"]
