"""Servers that are forked from a process which has imported all of Greenroom: their own imports would take more time
than whatever else they do at a start. To everybody else, and to themselves, they are as if they had been started anew.

What begins with the interpreter itself has servers of its own: those of tests/faults/process that launch the program by
themselves, the wheel's, and the one of docs/start.md.
"""

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from greenroom.store.own.processes import die_with_parent
from tests.starting.networks import enter_network, other_network

ROOT = Path(__file__).parents[2]
FORKED = "forked"  # how the line about a process begins that has been made; others are of processes that have ended


class Process(Protocol):
    """What is needed of a server's process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


class Forked:
    """One of them; as subprocess.Popen."""

    def __init__(self, forker: "Forker", pid: int) -> None:
        self._forker = forker
        self.pid = pid

    def poll(self) -> int | None:
        self._forker.listen(0.0)
        return self._forker.ended.get(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """Raises: subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (status := self._forker.ended.get(self.pid)) is None:
            left = max(0.0, deadline - time.monotonic()) if deadline is not None else None
            if left == 0.0:
                raise subprocess.TimeoutExpired(["greenroom"], timeout or 0.0)
            self._forker.listen(left)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ends just now
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forker:
    """The process that has imported it all; ends with ours."""

    def __init__(self) -> None:
        self.ended: dict[int, int] = {}  # process -> its exit status; negative: the signal
        self._rest = b""
        self._forked: list[int] = []
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.starting.forking import fork_for_each; fork_for_each()"],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self._end)

    def fork(self, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], output: Path) -> Forked:
        """A process that does what `greenroom ARGUMENTS` does, on the network on which this thread is."""
        assert self._process.stdin is not None
        network = f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"
        request = json.dumps([list(arguments), str(cwd), dict(environment), str(output), network])
        self._process.stdin.write(request.encode() + b"\n")
        self._process.stdin.flush()
        while not self._forked:
            self.listen(None)
        return Forked(self, self._forked.pop())

    def listen(self, within_s: float | None) -> None:
        """Take what it says."""
        assert self._process.stdout is not None
        if select.select([self._process.stdout], [], [], within_s)[0]:
            read = os.read(self._process.stdout.fileno(), 65_536)
            assert read, "the process that forks servers has ended"
            *lines, self._rest = (self._rest + read).split(b"\n")
            for line in lines:
                first, second = line.decode().split()
                if first == FORKED:
                    self._forked.append(int(second))
                else:
                    self.ended[int(first)] = int(second)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@cache
def forker() -> Forker:
    """That of this process."""
    return Forker()


def fork_for_each() -> None:
    """The process: a request a line in; a line out for each process that was made, and for each that has ended."""
    import greenroom.supervisors.node.node
    import greenroom.transports.http.page_server  # what a server imports when somebody first asks for a page
    import greenroom.transports.pages.app  # noqa: F401
    from greenroom.supervisors.cli.app import main

    def reap(number: int, frame: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                os.write(1, f"{found[0]} {os.waitstatus_to_exitcode(found[1])}\n".encode())

    gc.collect()
    gc.freeze()  # what a server collects, as it does once it has started, is its own, and pages stay common to all
    with_us = die_with_parent(signal.SIGTERM)  # nobody is left of tests that were killed themselves
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the tests is for the tests
    signal.signal(signal.SIGCHLD, reap)
    for line in iter(sys.stdin.readline, ""):
        arguments, cwd, environment, output, network = json.loads(line)
        other = other_network(network)  # before we answer: whoever asks may leave it then
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # that it was made is said before that it has ended
        pid = os.fork()
        if pid:
            os.write(1, f"{FORKED} {pid}\n".encode())
        else:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        if other is not None:
            if not pid:
                enter_network(other)
            os.close(other)
        if not pid:
            if with_us is not None:
                with_us()
            _become(arguments, cwd, environment, output)
            main()
            return


def _become(arguments: list[str], cwd: str, environment: dict[str, str], output: str) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    written = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.close(written)
    sys.argv = ["greenroom", *arguments]
