"""What do effects that happen once cost: outbox, command id and durable timer together?

Two loads take turns in one run. Plain, as `journal` measures it: a command with an id records one event. With effects:
a command with an id records an event, tells another durable entity (which records one as well, with the mark of what it
has received), and moves a durable timer. Compared are durable events a second: so the cost of an event includes its
share of outbox rows written, delivered and deleted, of marks and of timers.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import trio

from bench.closed_loop import ClosedLoop
from bench.counter import Add, AddOn, Ledger
from bench.kernel import in_postgres
from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from greenroom.supervisors.kernel.kernel import Kernel


@dataclass(frozen=True, kw_only=True)
class Effects:
    seconds: float = param(5.0, "how long each load runs, each time")
    rounds: int = param(3, "how often the two take turns")
    entities: int = param(500, "entities that record")
    in_flight: int = param(16, "commands of each entity on their way at once")
    note_bytes: int = param(64, "length of a text in each event")


async def _run(kernel: Kernel, load: ClosedLoop, params: Effects) -> dict[str, float]:
    names = [f"ledger:{number}" for number in range(params.entities)]
    for _ in range(params.in_flight):
        for name in names:
            load.send(name)
    await trio.sleep(min(1.0, params.seconds / 4))  # warm
    relay = kernel.relay
    answered, delivered, begun, cpu_s = load.answered, relay.delivered, time.perf_counter(), time.process_time()
    await trio.sleep(params.seconds)
    took_s = time.perf_counter() - begun
    found = {
        "commands": (load.answered - answered) / took_s,
        "delivered": (relay.delivered - delivered) / took_s,
        "cpu_share": (time.process_time() - cpu_s) / took_s,
    }
    await load.stop(within_s=15.0)
    with trio.move_on_after(15.0):
        while relay.waiting:  # noqa: ASYNC110 - a benchmark's end
            await trio.sleep(0.1)
    return found | {"undelivered": relay.waiting}


def _measure(link: Link, params: Effects) -> None:
    async def main(data_dir: Path) -> dict[str, Any]:
        rounds: list[tuple[dict[str, float], dict[str, float]]] = []
        async with in_postgres(data_dir, Ledger) as kernel:
            for number in range(params.entities):
                await kernel.router.ref(f"ledger:{number}").ask(Add(amount=0))  # awake, claimed
            link.say("awake")
            note = "x" * params.note_bytes
            plain = Add(amount=1, note=note)
            to = {f"ledger:{number}": f"ledger:{(number + 1) % params.entities}" for number in range(params.entities)}
            add_on = {entity: AddOn(amount=1, to=receiver, note=note) for entity, receiver in to.items()}
            failures = []
            for number in range(params.rounds):
                loads = (
                    ClosedLoop(kernel, lambda entity: plain, ids=f"p{number}-"),
                    ClosedLoop(kernel, lambda entity: add_on[entity], ids=f"e{number}-"),
                )
                rounds.append((await _run(kernel, loads[0], params), await _run(kernel, loads[1], params)))
                failures += [load.failure for load in loads if load.failure]
                link.say(f"round {number}")
        return {"rounds": rounds, "failures": failures}

    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        found = trio.run(main, Path(folder).resolve())
    link.say("done", found)


def answer(params: Effects, say: Say) -> Answer:
    round_s = 2 * (params.seconds + 2.0)
    with fleet(_measure, [params]) as measured:
        say("starting Postgres", 0.0)
        measured.wait("awake", within_s=120.0)
        for number in range(params.rounds):
            say(f"round {number + 1} of {params.rounds}", (number + 0.1) / params.rounds)
            measured.wait(f"round {number}", within_s=round_s + 90.0)
        found = measured.wait("done", within_s=60.0)[0]
    plain = median(one["commands"] for one, _ in found["rounds"])
    commands = median(one["commands"] for _, one in found["rounds"])
    events = median(one["commands"] + one["delivered"] for _, one in found["rounds"])
    cost = median(1 - (b["commands"] + b["delivered"]) / a["commands"] for a, b in found["rounds"])
    warnings = [f"commands failed, the first with {found['failures'][0]}"] if found["failures"] else []
    undelivered = sum(int(one["undelivered"]) for _, one in found["rounds"])
    if undelivered:
        warnings.append(f"{undelivered} messages were not delivered 15 s after the last command")
    return Answer(
        {
            "plain_events_per_s": round(plain, 1),
            "events_per_s": round(events, 1),
            "commands_per_s": round(commands, 1),
            "cost_percent": round(100 * cost, 1),
            "undelivered": undelivered,
        },
        {},
        warnings,
    )


QUESTION = Question(
    name="effects",
    asks="What do effects that happen once cost: outbox, command id and durable timer?",
    params=Effects,
    figures={
        "plain_events_per_s": Figure("durable events of commands with an id and nothing else"),
        "events_per_s": Figure("durable events where each command also tells another entity and moves a timer"),
        "commands_per_s": Figure("such commands"),
        "cost_percent": Figure("how many fewer events a second that is: 100 * (1 - events / plain)", at_most=35.0),
        "undelivered": Figure("messages that were not delivered in the end", at_most=0),
    },
    answer=answer,
)
