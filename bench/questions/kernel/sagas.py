"""How many sagas go through in a second, and how long does a lone one take?

A saga of three steps, each at another entity that records one event: so start, three steps and three answers are seven
appends, and six messages that take effect once. All of it through the kernel into Postgres with fsync on, in one
process without sockets. Done is a saga when its last event is durable.
"""

import tempfile
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio

from bench.booking import DESKS, Book, Desk, Gauge, Travel, Trip
from bench.kernel import in_postgres
from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from bench.reporting.percentiles import curve, ms
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.principal import SYSTEM
from greenroom.supervisors.kernel.kernel import Kernel

START_BYTES = 100  # what the mailbox weighs each start with
WARM = 50  # lone ones that are not counted


@dataclass(frozen=True, kw_only=True)
class SagasParams:
    seconds: float = param(5.0, "how long as many as possible are run")
    in_flight: int = param(400, "sagas that are under way at once")
    lone: int = param(500, "lone ones, one after the other")


class Running:
    """Sagas that are begun, each with a name of its own; for one that is over `then` is called."""

    def __init__(self, kernel: Kernel, name: str, then: Callable[[int], None]) -> None:
        self._submit = kernel.router.submit
        self._name = name
        self._then = then
        self._begun_ns: dict[str, int] = {}
        self.begun = 0
        Gauge.over = self._over

    @property
    def waiting(self) -> int:
        return len(self._begun_ns)

    def begin(self) -> None:
        self.begun += 1
        key = f"{self._name}-{self.begun}"
        self._begun_ns[key] = time.perf_counter_ns()
        envelope = Envelope(message=Travel(number=self.begun), principal=SYSTEM, slot=None, size=START_BYTES)
        self._submit(f"trip:{key}", envelope)

    def _over(self, key: str, at_ns: int) -> None:
        self._then(at_ns - self._begun_ns.pop(key))


async def _lone(kernel: Kernel, params: SagasParams) -> "array[int]":
    """How long each took, in nanoseconds, ascending."""
    waits = array("q")
    over = trio.Event()

    def then(took_ns: int) -> None:
        waits.append(took_ns)
        over.set()

    running = Running(kernel, "lone", then)
    for _ in range(WARM + params.lone):
        over = trio.Event()
        running.begin()
        with trio.fail_after(30.0):
            await over.wait()
    return array("q", sorted(waits[WARM:]))


async def _many(kernel: Kernel, params: SagasParams) -> dict[str, Any]:
    done = 0
    stopping = False

    def then(took_ns: int) -> None:
        nonlocal done
        done += 1
        if not stopping:
            running.begin()

    running = Running(kernel, "many", then)
    for _ in range(params.in_flight):
        running.begin()
    await trio.sleep(min(2.0, params.seconds / 2))  # warm
    before, begun, cpu_s = done, time.perf_counter(), time.process_time()
    await trio.sleep(params.seconds)
    took_s = time.perf_counter() - begun
    found = {"per_s": (done - before) / took_s, "cpu_share": (time.process_time() - cpu_s) / took_s}
    stopping = True
    with trio.move_on_after(30.0):
        while running.waiting:  # noqa: ASYNC110 - a benchmark's end
            await trio.sleep(0.05)
    return found | {"lost": running.waiting}


def _measure(link: Link, params: SagasParams) -> None:
    async def main(data_dir: Path) -> dict[str, Any]:
        async with in_postgres(data_dir, Trip, Desk, Gauge) as kernel:
            for number in range(DESKS):
                await kernel.router.ref(f"desk:{number}").ask(Book(trip="before"))  # awake, claimed
            link.say("awake")
            lone = await _lone(kernel, params)
            link.say("lone", None)
            many = await _many(kernel, params)
        return many | {"lone": lone}

    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        found = trio.run(main, Path(folder).resolve())
    link.say("done", found)


def answer(params: SagasParams, say: Say) -> Answer:
    with fleet(_measure, [params]) as measured:
        wait = partial(measured.wait, within_s=120.0 + params.seconds)
        say("starting Postgres", 0.0)
        wait("awake")
        say("one after the other", 0.2)
        wait("lone")
        say("as many as possible", 0.4)
        found = wait("done")[0]
    lone: array[int] = found["lone"]
    warnings = [f"{found['lost']} sagas were not done 30 s after the last was begun"] if found["lost"] else []
    return Answer(
        {
            "sagas_per_s": round(found["per_s"], 1),
            "done_p50_ms": ms(lone, 0.5),
            "done_p99_ms": ms(lone, 0.99),
            "lost": found["lost"],
            "kernel_cpu_share": round(found["cpu_share"], 2),
        },
        {"done": curve(lone)},
        warnings,
    )


QUESTION = Question(
    name="sagas",
    asks="How many sagas go through in a second, and how long does a lone one take?",
    params=SagasParams,
    figures={
        "sagas_per_s": Figure("sagas of three steps that are done, 400 of them under way", at_least=3_000),
        "done_p50_ms": Figure("from the start of a lone one until its end is durable, median", at_most=6.0),
        "done_p99_ms": Figure("likewise, the slowest of a hundred", at_most=20.0),
        "lost": Figure("sagas that did not end", at_most=0),
        "kernel_cpu_share": Figure("of one core, that the kernel's process used meanwhile"),
    },
    answer=answer,
)
