"""Its worker: one process, several connections, each of which claims a batch, does it and completes it, and so on."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import msgspec

from bench.load.generators import Link
from bench.peers.skip_locked.table import BELL, CLAIM, COMPLETE, Place
from bench.work import note_wait

POLL_S = 0.5  # where nobody rings
FOR_EVER = 1 << 60


@dataclass(frozen=True)
class Working:
    place: Place
    queue: str
    batch: int = 500
    loops: int = 4


class Arguments(msgspec.Struct):
    """Of all of its jobs."""

    number: int = 0
    key: str = ""
    sent_ns: int = 0
    file: str = ""


def work(link: Link, plan: Working) -> None:
    """A generator: hears `work` with how many jobs it is to do, says `worked` with the seconds that these took. Of 0 it
    rests, of FOR_EVER it says nothing."""
    asyncio.run(_Worker(link, plan).run())


class _Worker:
    def __init__(self, link: Link, plan: Working) -> None:
        self._link = link
        self._plan = plan
        self._goes = asyncio.Event()
        self._bell = asyncio.Event()
        self._left = 0
        self._begun_at = 0.0
        self._decode = msgspec.json.Decoder(Arguments).decode

    async def run(self) -> None:
        bell = await self._plan.place.connect()
        await bell.add_listener(BELL, self._rung)
        connections = [await self._plan.place.connect() for _ in range(self._plan.loops)]
        loops = [asyncio.create_task(self._loop(one)) for one in connections]
        self._link.say("ready")
        loop = asyncio.get_running_loop()
        hearing = asyncio.create_task(asyncio.to_thread(self._hear, loop))
        await asyncio.wait([hearing, *loops], return_when=asyncio.FIRST_COMPLETED)
        for task in loops:
            if task.done():
                task.result()
        for connection in (bell, *connections):
            connection.terminate()
        await asyncio.gather(*loops, return_exceptions=True)

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while True:
                loop.call_soon_threadsafe(self._told, self._link.wait("work"))
        except EOFError:
            return

    def _told(self, jobs: int) -> None:
        self._left = jobs
        self._begun_at = time.perf_counter()
        if jobs:
            self._goes.set()
        else:
            self._goes.clear()

    def _rung(self, *_: object) -> None:
        self._bell.set()

    async def _loop(self, connection: asyncpg.Connection) -> None:
        plan = self._plan
        claim, complete = await connection.prepare(CLAIM), await connection.prepare(COMPLETE)
        while True:
            await self._goes.wait()
            self._bell.clear()
            rows = await claim.fetch(plan.queue, plan.batch, "worker", _now_ms())
            if not rows:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), POLL_S)
                continue
            results = await self._do(rows)
            await complete.fetch([row["id"] for row in rows], results, _now_ms())
            self._have_done(len(rows))

    async def _do(self, rows: Sequence[asyncpg.Record]) -> list[bytes]:
        return [msgspec.json.encode(await self._job(self._decode(row["arguments"]))) for row in rows]

    async def _job(self, arguments: Arguments) -> int:
        if arguments.file:
            note_wait(arguments.file, arguments.sent_ns)
        return arguments.number

    def _have_done(self, jobs: int) -> None:
        if self._left <= 0:
            return
        self._left -= jobs
        if self._left <= 0:
            self._goes.clear()
            self._link.say("worked", time.perf_counter() - self._begun_at)


def _now_ms() -> int:
    return int(time.time() * 1000)
