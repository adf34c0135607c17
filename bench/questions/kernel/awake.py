"""What do many rooms that are awake cost, each with commands it remembers, and does the loop ever stand still for them?

Rooms on a real Postgres, in one process with the load. Every room is joined, then is sent messages with command ids,
whose replies it remembers. Meanwhile a task looks at the clock, and the collector says how long it took.
"""

import gc
import math
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import trio
from msgspec.structs import replace

from bench.closed_loop import ClosedLoop
from bench.kernel import in_postgres
from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import Join, SendMessage
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import PassivationConfig

TICK_S = 0.002
NEVER_S = 1e9


class Wakeful(Room):
    """However long it takes until all are awake, none has fallen asleep by then."""

    limits = replace(Room.limits, idle_s=NEVER_S)


@dataclass(frozen=True, kw_only=True)
class Awake:
    rooms: int = param(100_000, "rooms that are awake at once")
    ids: int = param(8, "messages with a command id that each has been sent")
    in_flight: int = param(4_000, "rooms that are being sent to at once")
    seconds: float = param(5.0, "how long they are idle, all awake, at the end")


class _Pauses:
    """How long the collector stood in the way, and how late the loop was for a task that wants it often."""

    def __init__(self) -> None:
        self.collecting_s = self.late_s = self._began = 0.0

    def collector(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()  # of the processor, so that whoever else uses it does not count
        else:
            self.collecting_s = max(self.collecting_s, time.thread_time() - self._began)

    async def look(self) -> None:
        while True:
            due = trio.current_time() + TICK_S
            await trio.sleep_until(due)
            self.late_s = max(self.late_s, trio.current_time() - due)


def _measure(link: Link, params: Awake) -> None:
    async def main(data_dir: Path) -> dict[str, float]:
        never = PassivationConfig(idle_s=NEVER_S, awake_max=10 * params.rooms)
        async with in_postgres(data_dir, Wakeful, passivation=never) as kernel, trio.open_nursery() as nursery:
            joining = ClosedLoop(kernel, lambda room: Join(), ids="j", principal=_owner)
            sending = ClosedLoop(kernel, lambda room: SendMessage(text="to be remembered"), ids="s", principal=_owner)
            pauses, before, begun = _Pauses(), _resident_bytes(), time.perf_counter()
            gc.callbacks.append(pauses.collector)
            nursery.start_soon(pauses.look)
            for first in range(0, params.rooms, params.in_flight):
                rooms = [f"room:{n}" for n in range(first, min(first + params.in_flight, params.rooms))]
                await joining.once(rooms)
                for _ in range(params.ids):
                    await sending.once(rooms)
                link.say("woken", rooms[-1])
            took_s = time.perf_counter() - begun
            busy_s, pauses.late_s = pauses.late_s, 0.0
            await trio.sleep(params.seconds)
            nursery.cancel_scope.cancel()
            if joining.failed or sending.failed:
                raise RuntimeError(joining.failure or sending.failure)
            awake = len(kernel.system.awake())
            grown = _resident_bytes() - before
        return {
            "megabytes": grown / 2**20,
            "collector_max_ms": 1000 * pauses.collecting_s,
            "loop_late_max_ms": 1000 * busy_s,
            "idle_loop_late_max_ms": 1000 * pauses.late_s,
            "bytes_per_room": grown / params.rooms,
            "awake": awake,
            "commands_per_s": (params.ids + 1) * params.rooms / took_s,
        }

    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        link.say("done", trio.run(main, Path(folder)))


def _owner(room: str) -> Principal:
    return Principal(user=f"owner of {room}")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answer(params: Awake, say: Say) -> Answer:
    with fleet(_measure, [params]) as measured:
        steps = math.ceil(params.rooms / params.in_flight)
        for step in range(steps):
            say("waking", step / steps)
            measured.wait("woken", within_s=120.0)
        say("idle", 1.0)
        found = measured.wait("done", within_s=params.seconds + 120.0)[0]
    return Answer({name: round(value, 1) for name, value in found.items()})


QUESTION = Question(
    name="awake",
    asks="What do many awake rooms with remembered commands cost, and does the loop stand still for them?",
    params=Awake,
    figures={
        "megabytes": Figure(
            "growth of the process's resident memory by all of them, MiB", at_most=1_200 * 10**6 / 2**20
        ),
        "collector_max_ms": Figure("longest that the cycle collector held the loop, of CPU time", at_most=50.0),
        "loop_late_max_ms": Figure("latest that the loop was while they woke and were sent to"),
        "idle_loop_late_max_ms": Figure("latest that it was while all were awake and idle", at_most=50.0),
        "bytes_per_room": Figure("the same for each"),
        "awake": Figure("entities awake at the end"),
        "commands_per_s": Figure("commands answered a second, all in one process"),
    },
    answer=answer,
)
