"""A rolling restart of real nodes under load; then the clients' own records are checked.

`make drill` or `python -m tests.drill`: nodes that share a Postgres and a Valkey, and members of rooms who send, watch
and want to hear who comes and leaves. Every node in turn is told to end by SIGTERM, and started again once it has.
Passed, if nobody's message was refused for good, lost, doubled or out of order, no watcher had to start over or was
shown anybody to come or leave (nobody did), and no room was away for longer than a tolerance. Exit status: 0 when
passed, 1 when not, 2 for bad usage. The last line of the output is the result in JSON.
"""

import argparse
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.load.generators import Fleet, GeneratorFailed, fleet
from bench.nodes import Nodes, sharing
from bench.reporting.percentiles import percentile
from bench.server import Cost, ServerFailed
from tests.chaos.checker import check
from tests.chaos.clients import ACKNOWLEDGED, Plan
from tests.chaos.histories import Unreadable, read_histories
from tests.chaos.verdict import EXAMPLES_MAX, Verdict
from tests.drill.away import away_ms
from tests.drill.members import Coming, generate

GOAL_MS = 250.0  # a room away, 99th percentile over rooms
RECOVER_S = 30.0  # after the last restart, for every client to have its answers
CALM_S = 4.0  # before the first restart; nobody is shown to come any more after it
TEXT_BYTES = 64
out, err = Console(highlight=False), Console(stderr=True)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.drill", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=3, help="nodes, two or more (3)")
    parser.add_argument("--rooms", type=int, default=60, help="rooms (60)")
    parser.add_argument("--members", type=int, default=4, help="clients of each room, who send and watch (4)")
    parser.add_argument("--rate", type=float, default=300.0, help="sends offered each second, over all rooms (300)")
    parser.add_argument("--rounds", type=int, default=1, help="times that all nodes are restarted (1)")
    parser.add_argument(
        "--pause", type=float, default=2.0, help="seconds from a node's start to the next one's end (2)"
    )
    parser.add_argument(
        "--away-max-ms",
        type=float,
        default=4 * GOAL_MS,
        help=f"a room away for longer (99th percentile) is a failure; the goal is {GOAL_MS:g}, and a machine "
        f"that others use, too, does not reach it ({4 * GOAL_MS:g})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    chosen = parser.parse_args(words)
    if chosen.nodes < 2:
        parser.error("with one node there is nobody to hand anything to: --nodes must be 2 or more")
    return chosen


@dataclass(slots=True)
class Outcome:
    verdict: Verdict
    begun_s: float  # of the restarts, on the machine's monotonic clock
    ended_s: float
    away_ms: list[float]  # of each room, ascending
    waited_ms: list[float]  # likewise, the clients' moves included
    calm_ms: list[float]  # likewise, in the time before
    comings: list[Coming]
    drains_s: list[float]  # from SIGTERM to the end of the process
    late: bool
    errors: dict[str, int]  # that clients were answered with for the moment, and sent again
    downs: dict[str, int]  # why connections ended
    cost: Cost
    generators_s: float
    away_max_ms: float
    why: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        verdict = self.verdict
        self.why = [
            text
            for wrong, text in (
                (verdict.broken, f"{verdict.broken} invariants were broken"),
                (not verdict.acknowledged, "nothing was acknowledged"),
                (verdict.resynchronised, f"{verdict.resynchronised} watchers had to start over"),
                (self.comings, f"{len(self.comings)} times somebody was shown to come or to leave"),
                (self.late, f"not every client had its answers {RECOVER_S:.0f} s after the last restart"),
                (
                    percentile(self.away_ms, 0.99) > self.away_max_ms,
                    f"rooms were away for {percentile(self.away_ms, 0.99):.0f} ms, more than {self.away_max_ms:.0f}",
                ),
            )
            if wrong
        ]

    def result(self) -> dict[str, Any]:
        """As one flat object."""
        figures = {
            f"{name}_{cut}": round(percentile(values, share), 1)
            for name, values in (("away_ms", self.away_ms), ("waited_ms", self.waited_ms), ("calm_ms", self.calm_ms))
            for cut, share in (("p50", 0.5), ("p99", 0.99))
        }
        counts = {name: value for name, value in asdict(self.verdict).items() if name not in ("examples", "paid")}
        return {
            "passed": not self.why,
            "away_goal_ms": GOAL_MS,
            **figures,
            **counts,
            "comings": len(self.comings),
            "sent_again": sum(self.errors.values()),
            "drain_max_s": round(max(self.drains_s), 2),
            "restarts_s": round(self.ended_s - self.begun_s, 1),
            **self.cost.results(self.generators_s),
        }


def run(chosen: argparse.Namespace, say: Callable[[str], None]) -> Outcome:
    """Raises: ServerFailed, GeneratorFailed, Unreadable, OSError."""
    cells = multiprocessing.get_context("spawn").Array("q", 4, lock=False)
    say("starting nodes")
    with sharing(chosen.nodes) as nodes:
        say("shards settle")
        nodes.settle()
        plan = Plan(
            addresses=nodes.addresses,
            first=0,
            processes=1,
            rooms=chosen.rooms,
            members=chosen.members,
            rate=chosen.rate,
            text_bytes=TEXT_BYTES,
            recover_s=RECOVER_S,
            seed=0,
            progress=cells,
        )
        with fleet(generate, [plan]) as clients:
            say("clients connect")
            clients.wait("connected", within_s=90.0)
            clients.tell("go")
            say("all is calm")
            time.sleep(CALM_S)
            calm_s, before = time.monotonic(), nodes.server().cost()
            time.sleep(CALM_S)
            cost = nodes.server().cost() - before  # a node's is gone with it
            begun_s = time.monotonic()
            drains_s = _restart_all(chosen, nodes, say, cells)
            time.sleep(chosen.pause)
            ended_s = time.monotonic()
            say("clients finish")
            (found,) = _finished(clients)
        say("reading the histories")
        histories = read_histories(nodes.addresses[0], [f"room:drill-{number}" for number in range(chosen.rooms)])
    members = found["members"]
    return Outcome(
        verdict=check(members, histories),
        begun_s=begun_s,
        ended_s=ended_s,
        away_ms=away_ms(members, begun_s, ended_s, stayed=True),
        waited_ms=away_ms(members, begun_s, ended_s, stayed=False),
        calm_ms=away_ms(members, calm_s, begun_s, stayed=False),
        comings=[one for one in found["comings"] if one.at_s > calm_s],
        drains_s=drains_s,
        late=found["late"],
        errors=found["errors"],
        downs=found["downs"],
        cost=cost,
        generators_s=found["cpu_s"] / found["wall_s"] * cost.at_s,
        away_max_ms=chosen.away_max_ms,
    )


def _restart_all(chosen: argparse.Namespace, nodes: Nodes, say: Callable[[str], None], cells: Any) -> list[float]:
    """How long each took from SIGTERM to its end. Raises: ServerFailed, also for one that ends with anything but 0."""
    drains_s = []
    for turn in range(chosen.rounds * chosen.nodes):
        number = turn % chosen.nodes
        if turn:
            time.sleep(chosen.pause)
        say(f"node {number + 1} of {chosen.nodes} drains; {cells[ACKNOWLEDGED]:,} messages acknowledged")
        begun_s = time.monotonic()
        nodes.stop(number)
        drains_s.append(time.monotonic() - begun_s)
        say(f"node {number + 1} of {chosen.nodes} starts")
        nodes.start(number)
    return drains_s


def _finished(clients: Fleet) -> list[dict[str, Any]]:
    clients.tell("finish")
    return clients.wait("done", within_s=2 * RECOVER_S + 30.0)


def report(outcome: Outcome) -> str:
    verdict = outcome.verdict
    rows = [
        ("sends acknowledged", f"{verdict.acknowledged:,}"),
        ("asked again, same answer", f"{verdict.repeated:,}"),
        ("publications seen", f"{verdict.seen:,}"),
        ("reconnects", f"{verdict.reconnects:,}"),
        ("refused for the moment, and sent again", f"{sum(outcome.errors.values()):,}"),
        ("refused for good", f"{verdict.refused:,}"),
        ("lost", f"{verdict.lost:,}"),
        ("duplicated", f"{verdict.duplicated:,}"),
        ("reordered", f"{verdict.reordered:,}"),
        ("contradicted", f"{verdict.contradicted:,}"),
        ("not recovered", f"{verdict.not_recovered:,}"),
        ("watchers who had to start over", f"{verdict.resynchronised:,}"),
        ("joins and leaves that were none", f"{len(outcome.comings):,}"),
        ("drains, s", ", ".join(f"{seconds:.1f}" for seconds in outcome.drains_s)),
        ("without a restart, p50 / p99 ms", _cuts(outcome.calm_ms)),
        ("clients waited, their moves included, p50 / p99 ms", _cuts(outcome.waited_ms)),
        (
            "rooms away, p50 / p99 ms",
            f"{_cuts(outcome.away_ms)} (goal: {GOAL_MS:g}; a failure: more than {outcome.away_max_ms:g})",
        ),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {value}" for name, value in rows]
    for title, counts in (("answers that asked to try again", outcome.errors), ("connections ended", outcome.downs)):
        if counts:
            lines += ["", f"{title}:", *(f"  {count:8,}  {what}" for what, count in counts.items())]
    examples = {**verdict.examples}
    if outcome.comings:
        examples["joins and leaves"] = [
            f"{one.text}, {one.at_s - outcome.begun_s:.1f} s after the first SIGTERM"
            for one in outcome.comings[:EXAMPLES_MAX]
        ]
    for what, some in examples.items():
        lines += ["", f"{what.replace('_', ' ')}, for example:", *(f"  {example}" for example in some)]
    return "\n".join([*lines, *outcome.cost.doubts(outcome.generators_s)])


def _cuts(ascending: list[float]) -> str:
    return f"{percentile(ascending, 0.5):.0f} / {percentile(ascending, 0.99):.0f}"


@contextmanager
def _bar(steps: int) -> Iterator[Callable[[str], None]]:
    """Gives who is told of each step as it begins."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, refresh_per_second=2, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("", total=steps)

        def say(text: str) -> None:
            progress.update(task, description=text, advance=1)
            if not err.is_terminal:
                err.print(text, highlight=False)

        yield say


def main() -> int:
    chosen = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end everything in order
    named = {name: getattr(chosen, name) for name in ("nodes", "rooms", "members", "rate", "rounds", "pause")}
    try:
        with _bar(6 + 2 * chosen.rounds * chosen.nodes) as say:
            outcome = run(chosen, say)
    except (ServerFailed, GeneratorFailed, Unreadable, OSError) as error:
        why = f"{type(error).__name__}: {error}"
        result = {"drill": "rolling restart", **named, "passed": False, "why": why}
    except KeyboardInterrupt:
        err.print("interrupted; everything is ended")
        return 130
    else:
        out.print(report(outcome), soft_wrap=True, markup=False)
        why = "; ".join(outcome.why)
        result = {"drill": "rolling restart", **named, **outcome.result(), "why": why}
    out.print(f"\nFAILED: {why}" if why else "\npassed", soft_wrap=True, markup=False)
    line = json.dumps(result)
    if chosen.json:
        chosen.json.write_text(line + "\n")
    print(line, flush=True)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
