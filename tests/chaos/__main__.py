"""Real processes are killed, stalled and restarted under load; then the clients' own records are checked.

`make chaos` or `python -m tests.chaos`: a server with a Postgres and a Valkey of its own, members of rooms who send
and subscribe, and a schedule of faults from a seed. The same seed gives the same schedule; what exactly is hit in that
moment is up to the machine. Exit status: 0 when nothing was broken, 1 otherwise.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.load.generators import Fleet, GeneratorFailed, fleet
from tests.chaos.checker import check
from tests.chaos.clients import ACKNOWLEDGED, CONNECTED, RECONNECTS, Plan, generate
from tests.chaos.faults import VICTIMS, Fault, schedule
from tests.chaos.histories import Unreadable, read_histories, read_tills
from tests.chaos.jobs.program import report_jobs, run_jobs
from tests.chaos.payers import PayersPlan, pay, till_keys
from tests.chaos.payments import check_payments
from tests.chaos.processes import DidNotStart, Processes
from tests.chaos.verdict import Verdict

RECOVER_S = 120.0  # after the last fault, for everything to be well again; a busy machine needs a while
PROGRESS_S = 5.0
LOOK_S = 0.02
SERVED_S = 1.0  # what most faults leave a new server to be found by its clients
STRUCK_MIN = 0.2  # share of the schedule that must have come, or the run has shown too little


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults come (120)")
    parser.add_argument("--seed", type=int, help="of the schedule of faults; a new one each time unless given")
    parser.add_argument("--rooms", type=int, default=40, help="rooms (40)")
    parser.add_argument("--members", type=int, default=8, help="clients of each room, who send and subscribe (8)")
    parser.add_argument("--rate", type=float, default=1000.0, help="sends offered each second, over all rooms (1000)")
    parser.add_argument("--text-bytes", type=int, default=64, help="length of a message's text (64)")
    parser.add_argument(
        "--payments", type=float, default=100.0, help="payments between tills offered each second (100)"
    )
    parser.add_argument("--jobs", action="store_true", help="jobs instead, and processes that work on them")
    parser.add_argument("--jobs-rate", type=float, default=12.0, help="jobs that are added each second (12)")
    parser.add_argument("--processes", type=int, default=2, help="processes of clients (2)")
    parser.add_argument("--only", help=f"victims, with commas between: {','.join(VICTIMS)}")
    parser.add_argument("--keep", action="store_true", help="keep logs and data, also when nothing was broken")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    chosen = parser.parse_args(words)
    chosen.victims = tuple(chosen.only.split(",")) if chosen.only else VICTIMS
    if unknown := set(chosen.victims) - set(VICTIMS):
        parser.error(f"--only knows {', '.join(VICTIMS)}, not {', '.join(sorted(unknown))}")
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1_000_000)
    return chosen


class Timeline:
    """What is printed while it happens, each line with its second."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def start(self) -> None:
        self._begun = time.monotonic()

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._begun

    def say(self, text: str) -> None:
        print(f"{self.now_s:7.1f} s  {text}", flush=True)


class Progress:
    """What the clients say about themselves in shared memory; and how long nothing was acknowledged."""

    def __init__(self, cells: list[Any], clients: int) -> None:
        self._cells = cells
        self._clients = clients
        self._next_s = PROGRESS_S
        self._acknowledged = 0
        self._said = 0
        self._since_s = 0.0
        self.longest_pause_s = 0.0

    def total(self, cell: int) -> int:
        return sum(int(cells[cell]) for cells in self._cells)

    def look(self, timeline: Timeline) -> None:
        now_s, acknowledged = timeline.now_s, self.total(ACKNOWLEDGED)
        if acknowledged > self._acknowledged:
            self.longest_pause_s = max(self.longest_pause_s, now_s - self._since_s)
            self._acknowledged, self._since_s = acknowledged, now_s
        if now_s >= self._next_s:
            self._next_s += PROGRESS_S
            fresh = (acknowledged - self._said) / PROGRESS_S
            self._said = acknowledged
            timeline.say(
                f"                    {acknowledged:,} acknowledged ({fresh:,.0f}/s), "
                f"{self.total(CONNECTED)} of {self._clients} connected, {self.total(RECONNECTS)} reconnects"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    faults: dict[str, int]  # by kind, of those that hit somebody
    scheduled: int  # faults that would have come, had none had to wait
    late: bool  # not everything was well RECOVER_S after the last fault
    not_started: int  # starts of the server that failed, because somebody it needs was hit: it is started again
    gave_up: int  # ends of a ready server, without a deed of ours
    overdue: int  # stops of the server that took too long
    exit_status: int | None  # of the server's last stop
    longest_pause_s: float  # in which no send was acknowledged
    recovered_s: float  # from the last fault until every client was well
    errors: dict[str, int]  # that clients were answered with, and sent again
    downs: dict[str, int]  # why connections ended

    @property
    def passed(self) -> bool:
        return not self.why_failed()

    def why_failed(self) -> list[str]:
        """In words, what is not as it should be; empty when nothing is."""
        struck = sum(self.faults.values())
        return [
            text
            for wrong, text in (
                (self.verdict.broken, f"{self.verdict.broken} invariants were broken"),
                (not self.verdict.acknowledged, "nothing was acknowledged"),
                (self.late, f"not everything was well {RECOVER_S:.0f} s after the last fault"),
                (self.gave_up, f"a server that was ready ended by itself, {self.gave_up} times"),
                (self.overdue, f"the server did not stop in time, {self.overdue} times"),
                (self.exit_status != 0, f"the last stop of the server ended with {self.exit_status}"),
                (struck < STRUCK_MIN * self.scheduled, f"only {struck} faults came: the run has shown too little"),
            )
            if wrong
        ]


def run(chosen: argparse.Namespace, folder: Path) -> Outcome:
    """Raises: DidNotStart, GeneratorFailed, Unreadable, OSError."""
    timeline = Timeline()
    faults = schedule(chosen.seed, chosen.seconds, victims=chosen.victims)
    spawn = multiprocessing.get_context("spawn")
    cells = [spawn.Array("q", 4, lock=False) for _ in range(chosen.processes)]
    progress = Progress(cells, chosen.rooms * chosen.members)
    with Processes(folder, timeline.say) as processes:
        plans = [
            Plan(
                addresses=[processes.address],
                first=first,
                processes=chosen.processes,
                rooms=chosen.rooms,
                members=chosen.members,
                rate=chosen.rate,
                text_bytes=chosen.text_bytes,
                recover_s=RECOVER_S,
                seed=chosen.seed,
                progress=cells[first],
            )
            for first in range(chosen.processes)
        ]
        pays = PayersPlan(processes.address, chosen.payments, RECOVER_S, chosen.seed)
        with fleet(generate, plans) as clients, fleet(pay, [pays]) as payers:
            for each in (clients, payers):
                each.wait("connected", within_s=RECOVER_S + 30.0)
            for each in (clients, payers):
                each.tell("go")
            timeline.start()

            def look() -> None:
                processes.tend()
                progress.look(timeline)

            _strike(faults, chosen.seconds, processes, timeline, look)
            timeline.say("no more faults")
            processes.calm()
            calm_s = timeline.now_s
            found = _finish(clients, payers, look)
            processes.wait_ready()
            on_the_way = _arrived(processes, look)
            recovered_s = timeline.now_s - calm_s
            timeline.say("every client has finished; reading the histories")
        histories = read_histories(processes.address, [f"room:chaos-{number}" for number in range(chosen.rooms)])
        tills = read_tills(processes.address, till_keys())
        exit_status = processes.end()
    verdict = check([member for each in found for member in each["members"]], histories)
    check_payments(verdict, found[-1]["payments"], tills)
    for text in found[-1]["refused"]:
        verdict.count("refused", f"a payment was refused: {text}")
    if on_the_way:
        verdict.count("not_recovered", f"{on_the_way} messages or timers have not taken effect", on_the_way)
    return Outcome(
        verdict,
        dict(sorted(processes.struck.items())),
        len(faults),
        any(each["late"] for each in found),
        processes.not_started,
        processes.gave_up,
        processes.overdue,
        exit_status,
        progress.longest_pause_s,
        recovered_s,
        _added(found, "errors"),
        _added(found, "downs"),
    )


def _strike(
    faults: list[Fault], seconds: float, processes: Processes, timeline: Timeline, look: Callable[[], None]
) -> None:
    """Every fault at its moment, or later: most wait until the server serves again, and those behind them as long.

    On a machine where starts are slow, starts would otherwise be all that is hit.
    """
    clients = len(multiprocessing.active_children())
    waiting, late_s = deque(faults), 0.0
    while timeline.now_s < seconds and len(multiprocessing.active_children()) == clients:  # or `_finish` says why
        if waiting and timeline.now_s >= waiting[0].at_s + late_s:
            fault = waiting[0]
            if (fault.early or processes.served_s >= SERVED_S) and processes.strike(fault):
                late_s = timeline.now_s - waiting.popleft().at_s
        look()
        time.sleep(LOOK_S)


def _finish(clients: Fleet, payers: Fleet, look: Callable[[], None]) -> list[dict[str, Any]]:
    """What every process of clients has written down; the last is the payers'."""
    clients.tell("finish")
    payers.tell("finish")
    within_s = 2 * RECOVER_S + 60.0
    return [
        found for each in (clients, payers) for found in each.wait("done", within_s=within_s, waiting=lambda _: look())
    ]


def _arrived(processes: Processes, look: Callable[[], None]) -> int:
    """Wait for all effects between entities; gives how many have not come after RECOVER_S."""
    deadline = time.monotonic() + RECOVER_S
    while (left := processes.on_the_way()) and time.monotonic() < deadline:
        look()
        time.sleep(0.2)
    return left


def _added(found: list[dict[str, Any]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in found:
        total.update(each[name])
    return dict(total.most_common())


def report(outcome: Outcome) -> str:
    verdict = outcome.verdict
    lines = [""]
    for title, counts in (("faults", outcome.faults), ("answers that asked to try again", outcome.errors)):
        lines += [f"{title}:", *(f"  {count:8,}  {what}" for what, count in counts.items())]
    lines += ["connections ended:", *(f"  {count:8,}  {what}" for what, count in outcome.downs.items()), ""]
    rows: list[tuple[str, str]] = [
        ("sends acknowledged", f"{verdict.acknowledged:,}"),
        ("payments acknowledged", f"{verdict.paid:,}, each with a message there and back and a timer"),
        ("asked again, same answer", f"{verdict.repeated:,}"),
        ("publications seen", f"{verdict.seen:,}"),
        ("faults", f"{sum(outcome.faults.values())} of {outcome.scheduled} scheduled"),
        ("starts of the server that failed", f"{outcome.not_started}"),
        ("ready servers that gave up", f"{outcome.gave_up}"),
        ("longest without an acknowledgement", f"{outcome.longest_pause_s:.1f} s"),
        ("all well after the last fault in", f"{outcome.recovered_s:.1f} s"),
        ("reconnects", f"{verdict.reconnects:,}"),
        ("resynchronised", f"{verdict.resynchronised:,}, over {verdict.passed_over:,} publications"),
        ("lost", f"{verdict.lost:,}"),
        ("duplicated", f"{verdict.duplicated:,}"),
        ("reordered", f"{verdict.reordered:,}"),
        ("contradicted", f"{verdict.contradicted:,}"),
        ("refused for good", f"{verdict.refused:,}"),
        ("not recovered", f"{verdict.not_recovered:,}"),
        ("stops that took too long", f"{outcome.overdue}"),
        ("exit status of the last stop", f"{outcome.exit_status}"),
    ]
    width = max(len(name) for name, _ in rows)
    lines += [f"{name.ljust(width)}  {value}" for name, value in rows]
    for what, examples in verdict.examples.items():
        lines += ["", f"{what.replace('_', ' ')}, for example:", *(f"  {example}" for example in examples)]
    return "\n".join(lines)


def main() -> int:
    chosen = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end everything in order
    again = f'make chaos ARGS="{"--jobs " if chosen.jobs else ""}--seconds {chosen.seconds:g} --seed {chosen.seed}"'
    print(f"seed {chosen.seed}: {chosen.seconds:g} s of faults; the same schedule again: {again}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="greenroom-chaos-")).resolve()
    folder.chmod(0o711)  # as root: for the account that Postgres runs as
    why = "it did not come to an end"
    try:
        if chosen.jobs:
            timeline = Timeline()
            of_jobs = run_jobs(chosen.seed, chosen.seconds, chosen.jobs_rate, folder, timeline.say)
            why = "; ".join(of_jobs.why_failed())
            print(report_jobs(of_jobs))
            return _end(chosen, why, folder, again)
        outcome = run(chosen, folder)
        why = "; ".join(outcome.why_failed())
        print(report(outcome))
        if chosen.json:
            named = {
                name: getattr(chosen, name) for name in ("seed", "seconds", "rooms", "members", "rate", "payments")
            }
            chosen.json.write_text(json.dumps({**named, "passed": outcome.passed, **asdict(outcome)}, indent=2) + "\n")
    except (DidNotStart, GeneratorFailed, Unreadable, OSError) as error:
        print(f"\n{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        print("\ninterrupted; everything is ended")
        shutil.rmtree(folder, ignore_errors=True)
        return 130
    return _end(chosen, why, folder, again)


def _end(chosen: argparse.Namespace, why: str, folder: Path, again: str) -> int:
    """The last words, and the exit status."""
    if not why:
        if chosen.keep:
            print(f"\nlogs and data are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"\npassed (seed {chosen.seed})")
        return 0
    print(f"\nFAILED (seed {chosen.seed}): {why}\nlogs and data are in {folder}\nthe same schedule again: {again}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
