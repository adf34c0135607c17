"""How many durable events a second can actors record, and how long does a lone one take?

Through actors and the group committer into a real Postgres with fsync on; every event is fenced and carries a command
id. In a process of its own: the kernel and the load share it, so what the load costs is inside the figure.
"""

import tempfile
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from bench.closed_loop import ClosedLoop
from bench.counter import Add, Ledger
from bench.kernel import in_postgres
from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from bench.reporting.percentiles import curve, ms
from greenroom.supervisors.kernel.kernel import Kernel


@dataclass(frozen=True, kw_only=True)
class Journal:
    seconds: float = param(5.0, "how long events are recorded under load")
    entities: int = param(500, "entities that record")
    in_flight: int = param(16, "commands of each entity on their way at once")
    lone: int = param(1_000, "commands that are sent alone, one after the other")
    note_bytes: int = param(64, "length of a text in each event")


def _measure(link: Link, params: Journal) -> None:
    async def main(data_dir: Path) -> dict[str, Any]:
        async with in_postgres(data_dir, Ledger) as kernel:
            waits = await _alone(kernel, params)
            link.say("alone")
            message = Add(amount=1, note="x" * params.note_bytes)
            load = ClosedLoop(kernel, lambda entity: message, ids="c")
            for number in range(params.entities):
                await kernel.router.ref(f"ledger:{number}").ask(Add(amount=0))  # awake, claimed
            for _ in range(params.in_flight):
                for number in range(params.entities):
                    load.send(f"ledger:{number}")
            await trio.sleep(min(1.0, params.seconds / 4))  # warm
            before, begun, cpu_s = load.answered, time.perf_counter(), time.process_time()
            await trio.sleep(params.seconds)
            events, took_s = load.answered - before, time.perf_counter() - begun
            cpu_s = time.process_time() - cpu_s
            await load.stop(within_s=15.0)
        return {
            "waits": array("q", waits).tobytes(),
            "per_s": events / took_s,
            "failed": load.failed,
            "failure": load.failure,
            "unanswered": load.waiting,
            "cpu_share": cpu_s / took_s,
        }

    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        found = trio.run(main, Path(folder).resolve())
    link.say("done", found)


async def _alone(kernel: Kernel, params: Journal) -> list[int]:
    """Ascending ns from asking to the durable answer, with nothing else going on."""
    ref = kernel.router.ref("ledger:alone")
    note = "x" * params.note_bytes
    waits = []
    for number in range(params.lone + 50):
        begun_ns = time.perf_counter_ns()
        await ref.ask(Add(amount=1, note=note), command_id=f"alone-{number}")
        waits.append(time.perf_counter_ns() - begun_ns)
    return sorted(waits[50:])  # the first ones prepare statements


def answer(params: Journal, say: Say) -> Answer:
    with fleet(_measure, [params]) as measured:
        say("starting Postgres, then one at a time", 0.0)
        measured.wait("alone", within_s=120.0)
        found = measured.wait(
            "done",
            within_s=params.seconds + 60.0,
            waiting=lambda passed: say("recording", 0.3 + 0.7 * min(1.0, passed / params.seconds)),
        )[0]
    waits = array("q")
    waits.frombytes(found["waits"])
    warnings = []
    if found["failed"]:
        warnings.append(f"{found['failed']} commands failed, the first with {found['failure']}")
    if found["unanswered"]:
        warnings.append(f"{found['unanswered']} commands were not answered within 15 s")
    return Answer(
        {
            "durable_events_per_s": round(found["per_s"], 1),
            "lone_p50_ms": ms(waits, 0.5),
            "lone_p99_ms": ms(waits, 0.99),
            "failed": found["failed"],
            "kernel_cpu_share": round(found["cpu_share"], 3),
        },
        {"alone": curve(waits)},
        warnings,
    )


QUESTION = Question(
    name="journal",
    asks="How many durable events a second can actors record, and how long does a lone one take?",
    params=Journal,
    figures={
        "durable_events_per_s": Figure("commands answered, each with one fenced, durable event", at_least=50_000),
        "lone_p50_ms": Figure("from asking to the durable answer with nothing else going on", at_most=1.5),
        "lone_p99_ms": Figure("the same, 99th percentile"),
    },
    answer=answer,
)
