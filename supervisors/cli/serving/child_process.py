"""A child process that serves, as its parent has it; child.py is what runs in it."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import trio

from greenroom.supervisors.cli.serving.handing import DRAINING, GO, LOADED, READY, Given
from greenroom.supervisors.cli.terminal.console import say

CHILD = "greenroom.supervisors.cli.serving.child"
LOAD_S = 60.0  # longest that code may take to be imported
KILL_S = 5.0


def plain_options(options: Mapping[str, Any]) -> dict[str, str | int]:
    """Those of the command line that were given, as a child can be given them."""
    return {
        name: value if isinstance(value, int) else str(value) for name, value in options.items() if value is not None
    }


class Child:
    """One process of child.py. `going` once it was told to serve, `asked_to_end` once it was told to drain."""

    def __init__(self, process: trio.Process, told: trio.socket.SocketType) -> None:
        self._process = process
        self._told = told
        self.asked_to_end = False
        self.going = False

    @classmethod
    @contextlib.asynccontextmanager
    async def loading(cls, given: Given) -> AsyncIterator["Child"]:
        """A child that loads the code. At the end of the block it is killed, unless it was told to serve."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.sendall(msgspec.json.encode(given) + b"\n")  # some hundred bytes: they fit the socket's buffer
            process = await trio.lowlevel.open_process(
                # -P: a `queue.py` of theirs must not be taken for Python's own. See chosen/kinds.py.
                [sys.executable, "-P", "-m", CHILD, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), given.listener),
                start_new_session=True,  # a Ctrl-C is for us, and we ask it to drain
            )
        child = cls(process, trio.socket.from_stdlib_socket(ours))
        try:
            yield child
        finally:
            if not child.going:
                await child.kill()

    async def loaded(self) -> bool:
        """Wait until it has loaded the code: False when it ended instead, or takes too long over it."""
        with trio.move_on_after(LOAD_S):
            if await self._says(LOADED):
                return True
            await self._process.wait()  # it is about to end, with a status that says why
            return False
        say(f"Loading the code has taken {LOAD_S:g} s: given up")
        return False

    async def go(self) -> None:
        """Have it serve. One that has ended meanwhile is found by `ready` and `ended`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self._told.send(GO)
        self.going = True

    async def ready(self) -> bool:
        """Wait until one of several lets clients in: False when it ended instead."""
        return await self._says(READY)

    async def _says(self, word: bytes) -> bool:
        """Wait for what it says next: False when it ended instead."""
        try:
            return await self._told.recv(len(word)) == word
        except ConnectionResetError:
            return False

    async def ended(self) -> int:
        """Wait for its end, however it comes; the exit status, negative where a signal was the end of it. One that is
        told to end by somebody else is not told once more by us."""
        async with trio.open_nursery() as nursery:  # owner: this call
            nursery.start_soon(self._hear_of_the_drain)
            status = await self._process.wait()
            nursery.cancel_scope.cancel()
        return status

    async def _hear_of_the_drain(self) -> None:
        if await self._says(DRAINING):
            self.asked_to_end = True

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def kill_at_once(self) -> None:
        """Without waiting for its end; from a signal handler, too."""
        self._process.kill()

    def hang_up(self) -> None:
        """Have it read its keys again."""
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            self._process.send_signal(signal.SIGHUP)

    def ask_to_end(self) -> None:
        """Have it drain. Again is no harm: a second signal would mean that nobody wants to wait for the drain."""
        if not self.asked_to_end:
            self.asked_to_end = True
            self._process.terminate()

    async def end(self, patience_s: float) -> None:
        """Have it drain, and kill it when that takes longer. To the end, also when cancelled; again is no harm."""
        self.ask_to_end()
        with trio.move_on_after(patience_s, shield=True):
            await self._process.wait()
            self._told.close()
            return
        await self.kill()

    async def kill(self) -> None:
        self._process.kill()
        with trio.move_on_after(KILL_S, shield=True):
            await self._process.wait()
        self._told.close()
