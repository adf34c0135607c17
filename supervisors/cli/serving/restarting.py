"""The parent of `serve --reload`: has the port, the data folder and our own servers, and a child that serves.

When code changes, a new child loads it while the old one serves on. Only if that went well does the old one drain and
the new one take over: no two nodes ever serve at once, a mistake costs nobody their connection before it is mended, and
who connects in between waits in the port's backlog.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import trio

from greenroom.config.settings import Settings
from greenroom.supervisors.cli.serving.ground import Ground
from greenroom.supervisors.cli.serving.handing import GO, LOADED, Given, held_by_the_parent
from greenroom.supervisors.cli.serving.watched import Look, Watched, changed, folders_to_watch
from greenroom.supervisors.cli.terminal.console import say
from greenroom.supervisors.duties.own_servers import mind_own_servers
from greenroom.supervisors.supervision.signals import drain_on_signal, on_hangup

GREENROOM = Path(__file__).parents[3]
LOOK_S = 0.3
SETTLE_S = 0.1  # an editor or a checkout writes several files: read them when they have come to rest
KILL_S = 5.0
LOAD_S = 60.0  # longest that code may take to be imported
END_S = 10.0  # beyond the drain's own deadline; then it is killed
CHANGES_NAMED_MAX = 3
CHILD = "greenroom.supervisors.cli.serving.child"


def serve_and_reload(settings: Settings, options: dict[str, Any]) -> None:
    """Serve until a signal, with the code as it is at any time; `options` are those of the command line.

    Blocking. Raises: as `Ground` does, and Trouble when there is more to watch than a project has.
    """
    watched = Watched(folders_to_watch(settings.entities, here=Path.cwd(), greenroom=GREENROOM))
    watched.look()  # if it is too much, then before anything was started
    with Ground(settings) as ground:
        database_url, redis_url = ground.answering()
        assert ground.data_folder is not None  # as with every GREENROOM_ENV=local
        given = Given(
            options={name: _plain(value) for name, value in options.items() if value is not None},
            listener=ground.listener.fileno(),
            database_url=database_url,
            redis_url=redis_url,
            data_dir=str(ground.data_folder.path),
            held=held_by_the_parent(settings),
        )
        trio.run(Reloading(watched, given, drain_s=settings.drain_s).run, ground, strict_exception_groups=True)


def _plain(value: Any) -> str | int:
    return value if isinstance(value, int) else str(value)


class Reloading:
    """The children, one after another; `run` returns when a signal came and the last of them is gone."""

    def __init__(self, watched: Watched, given: Given, *, drain_s: float) -> None:
        self._watched = watched
        self._given = given
        self._end_s = drain_s + END_S
        self._serving: Child | None = None
        self._looks = trio.CapacityLimiter(1)

    async def run(self, ground: Ground) -> None:
        drain = trio.Event()
        async with trio.open_nursery() as nursery:  # owner: the process
            await nursery.start(drain_on_signal, drain)
            await nursery.start(on_hangup, self._pass_on_hangup)
            try:
                async with trio.open_nursery() as working:  # a crash of one ends us, and with us child and servers
                    if ground.own is not None:
                        working.start_soon(mind_own_servers, ground.own)
                    working.start_soon(self._follow_changes)
                    await drain.wait()
                    working.cancel_scope.cancel()
            finally:
                if self._serving is not None:
                    await self._serving.end(self._end_s)
            nursery.cancel_scope.cancel()

    def _pass_on_hangup(self) -> None:
        if self._serving is not None:
            self._serving.hang_up()

    async def _follow_changes(self) -> None:
        """Until cancelled. A child that is only loading is killed then; the one that serves is left to `run`."""
        while True:
            seen = await self._look()
            await self._take_over()
            paths = await self._change(seen)
            say(f"Reload: {_named(paths)} changed")

    async def _take_over(self) -> None:
        """Load the code as it is now, and have it served in place of what is, if it can be loaded."""
        async with Child.loading(self._given) as child:
            if not await child.loaded():
                going_on = "what ran before goes on" if self._serving is not None else "nothing is served"
                say(f"Reload: the code can't be loaded; {going_on}, until the next change")
                return
            if self._serving is not None:
                await self._serving.end(self._end_s)
            await child.go()
            self._serving = child

    async def _change(self, seen: Look) -> list[str]:
        """The paths, once something is otherwise than `seen` and has come to rest."""
        now = seen
        while True:
            await trio.sleep(LOOK_S)
            if self._serving is not None and (status := self._serving.status) is not None:
                say(f"Reload: the server ended with status {status}; it starts anew at the next change")
                self._serving = None
            before, now = now, await self._look()
            while changed(before, now):
                await trio.sleep(SETTLE_S)
                before, now = now, await self._look()
            if paths := changed(seen, now):
                return paths

    async def _look(self) -> Look:
        return await trio.to_thread.run_sync(self._watched.look, limiter=self._looks)


class Child:
    """One process of child.py. `going` once it was told to serve."""

    def __init__(self, process: trio.Process, told: trio.socket.SocketType) -> None:
        self._process = process
        self._told = told
        self._asked_to_end = False
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
            try:
                return await self._told.recv(len(LOADED)) == LOADED
            except ConnectionResetError:
                return False
        say(f"Reload: loading the code has taken {LOAD_S:g} s")
        return False

    async def go(self) -> None:
        """Have it serve."""
        await self._told.send(GO)
        self.going = True

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def hang_up(self) -> None:
        """Have it read its keys again."""
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            self._process.send_signal(signal.SIGHUP)

    async def end(self, patience_s: float) -> None:
        """Have it drain, and kill it when that takes longer. To the end, also when cancelled; again is no harm."""
        if not self._asked_to_end:  # a second signal would mean that nobody wants to wait for the drain
            self._asked_to_end = True
            self._process.terminate()
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


def _named(paths: list[str]) -> str:
    names = [os.path.relpath(path) for path in paths[:CHANGES_NAMED_MAX]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
