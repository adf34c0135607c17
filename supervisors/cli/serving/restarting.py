"""The parent of `serve --reload`: has the port, the data folder and our own servers, and a child that serves.

When code changes, a new child loads it while the old one serves on. Only if that went well does the old one drain and
the new one take over: no two nodes ever serve at once, a mistake costs nobody their connection before it is mended, and
who connects in between waits in the port's backlog.
"""

import os
from pathlib import Path
from typing import Any

import trio

from greenroom.config.settings import Settings
from greenroom.supervisors.cli.serving.child_process import Child, plain_options
from greenroom.supervisors.cli.serving.ground import Ground
from greenroom.supervisors.cli.serving.handing import Given, held_by_the_parent
from greenroom.supervisors.cli.serving.watched import Look, Watched, changed, folders_to_watch
from greenroom.supervisors.cli.terminal.console import say
from greenroom.supervisors.duties.own_servers import mind_own_servers
from greenroom.supervisors.supervision.signals import drain_on_signal, on_hangup

GREENROOM = Path(__file__).parents[3]
LOOK_S = 0.3
SETTLE_S = 0.1  # an editor or a checkout writes several files: read them when they have come to rest
END_S = 10.0  # beyond the drain's own deadline; then it is killed
CHANGES_NAMED_MAX = 3


def serve_and_reload(settings: Settings, options: dict[str, Any]) -> None:
    """Serve until a signal, with the code as it is at any time; `options` are those of the command line.

    Blocking. Raises: as `Ground` does, and Trouble when there is more to watch than a project has.
    """
    watched = Watched(folders_to_watch(settings.entities, here=Path.cwd(), greenroom=GREENROOM))
    watched.look()  # if it is too much, then before anything was started
    with Ground(settings) as ground:
        database_url, redis_url = ground.answering()
        assert ground.data_folder is not None and ground.listener is not None  # GREENROOM_ENV=local, and one node
        given = Given(
            options=plain_options(options),
            listener=ground.listener.fileno(),
            database_url=database_url,
            redis_url=redis_url,
            data_dir=str(ground.data_folder.path),
            held=held_by_the_parent(settings),
        )
        trio.run(Reloading(watched, given, drain_s=settings.stopping_s).run, ground, strict_exception_groups=True)


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


def _named(paths: list[str]) -> str:
    names = [os.path.relpath(path) for path in paths[:CHANGES_NAMED_MAX]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
