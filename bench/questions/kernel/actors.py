"""What does the actor runtime itself cost: a tell, an ask, waking an entity, and keeping one awake?

In one process of its own, without a store and without a network. The first three are its throughput on one core.
"""

import gc
import os
import time
from dataclasses import dataclass
from pathlib import Path

import trio

from bench.counter import Bump, Counter, Read
from bench.kernel import in_memory
from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from greenroom.supervisors.kernel.kernel import Kernel

BURST = 256  # tells to one entity before the next; a quarter of a mailbox


@dataclass(frozen=True, kw_only=True)
class Actors:
    seconds: float = param(5.0, "for tells and asks together; waking takes as long as it takes")
    entities: int = param(100, "entities that are told and asked")
    askers: int = param(1_000, "tasks that ask, each one thing at a time")
    spawned: int = param(20_000, "entities that are woken and kept awake")


def _measure(link: Link, params: Actors) -> None:
    async def main() -> dict[str, float]:
        async with in_memory(Counter) as kernel:
            # Memory first, while the process has no free heap that would hide what entities take.
            per_actor, spawn_per_s = await _spawn(kernel, params.spawned)
            link.say("spawned")
            told_per_s = await _tell(kernel, params.entities, params.seconds / 2)
            link.say("told")
            asked_per_s = await _ask(kernel, params.entities, params.askers, params.seconds / 2)
            return {
                "tell_per_s": told_per_s,
                "ask_per_s": asked_per_s,
                "spawn_per_s": spawn_per_s,
                "bytes_per_idle_actor": per_actor,
            }

    link.say("done", trio.run(main))


async def _spawn(kernel: Kernel, count: int) -> tuple[int, float]:
    """Wake `count` entities by a tell each: resident bytes of each, and how many a second."""
    warm = count // 20
    for number in range(warm):
        kernel.router.ref(f"counter:warm-{number}").tell(Bump())
    await kernel.router.ref(f"counter:warm-{warm - 1}").ask(Read())
    gc.collect()
    before = _resident_bytes()
    begun = time.perf_counter()
    for number in range(count):
        kernel.router.ref(f"counter:{number}").tell(Bump())
        if number % 1000 == 999:
            await trio.lowlevel.checkpoint()
    await kernel.router.ref(f"counter:{count - 1}").ask(Read())  # tasks run in the order of waking, so all have counted
    took_s = time.perf_counter() - begun
    gc.collect()
    return round((_resident_bytes() - before) / count), count / took_s


async def _tell(kernel: Kernel, count: int, seconds: float) -> float:
    """Tell in bursts until the time is over; every tell is handled before the clock stops."""
    refs = [kernel.router.ref(f"counter:told-{number}") for number in range(count)]
    for ref in refs:
        ref.tell(Bump())
        await ref.ask(Read())
    bump = Bump()
    sent = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for ref in refs:
            tell = ref.tell
            for _ in range(BURST):
                tell(bump)
        sent += BURST * count
        await trio.lowlevel.checkpoint()
    totals = [(await ref.ask(Read())).value for ref in refs]
    took_s = time.perf_counter() - begun
    assert sum(totals) == sent + count, "a tell was lost"
    return sent / took_s


async def _ask(kernel: Kernel, count: int, askers: int, seconds: float) -> float:
    asked = 0
    end = time.perf_counter() + seconds

    async def ask_on(number: int) -> None:
        nonlocal asked
        ref = kernel.router.ref(f"counter:told-{number % count}")
        question = Read()
        while time.perf_counter() < end:
            for _ in range(10):
                await ref.ask(question)
            asked += 10

    begun = time.perf_counter()
    async with trio.open_nursery() as nursery:  # owner: this call; ends when each asker has seen the time
        for number in range(askers):
            nursery.start_soon(ask_on, number)
    return asked / (time.perf_counter() - begun)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answer(params: Actors, say: Say) -> Answer:
    with fleet(_measure, [params]) as measured:
        say("waking", 0.0)
        measured.wait("spawned", within_s=60.0)
        say("telling", 0.2)
        measured.wait("told", within_s=params.seconds + 60.0)
        say("asking", 0.6)
        found = measured.wait("done", within_s=params.seconds + 60.0)[0]
    whole = ("bytes_per_idle_actor",)
    return Answer({name: value if name in whole else round(value, 1) for name, value in found.items()})


QUESTION = Question(
    name="actors",
    asks="What does the actor runtime itself cost: a tell, an ask, waking an entity, keeping one awake?",
    params=Actors,
    figures={
        "tell_per_s": Figure("messages without an answer, sent and handled each second", at_least=1_000_000),
        "ask_per_s": Figure("messages with an answer each second", at_least=100_000),
        "spawn_per_s": Figure("entities woken by their first message each second", at_least=20_000),
        "bytes_per_idle_actor": Figure("resident memory of an entity that is awake and idle", at_most=4096),
    },
    answer=answer,
)
