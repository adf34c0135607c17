"""Processes that end with us."""

import os
import select
import signal
import subprocess
import sys
import threading

import pytest

from greenroom.store.own.processes import die_with_parent


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
