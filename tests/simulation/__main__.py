"""`python -m tests.simulation --seeds 1000` prints the seeds that fail; `--seed N` replays one with its timeline.

With `--nodes 3` its nodes share the database, and speak to one another.
"""

import argparse
import gc
import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import perf_counter

from msgspec.structs import asdict

from greenroom.testing import Run, run_seed
from tests.simulation.scenarios import SCENARIOS

CHUNK = 10  # seeds a process takes at once


def run_chunk(
    seeds: list[int], *, scenario: str, minutes: float, nodes: int
) -> list[tuple[int, list[str], int, int, int, Counter[str]]]:
    """For a process of its own: what is sent back is small."""
    found = []
    for seed in seeds:
        run = run_seed(SCENARIOS[scenario](), seed, minutes=minutes, nodes=nodes)
        found.append((seed, run.violations, run.steps, run.acknowledged, run.seen, Counter(run.timeline.counts)))
        del run
        gc.collect()
    return found


def replay(seed: int, scenario: str, minutes: float, nodes: int, last: int | None) -> int:
    run = run_seed(SCENARIOS[scenario](), seed, minutes=minutes, nodes=nodes)
    print("\n".join(run.timeline.lines(last)))
    print(f"\nfaults: {json.dumps(asdict(run.faults))}")
    print(report(run))
    return 1 if run.violations else 0


def report(run: Run) -> str:
    what = run.violations[0] if run.violations else "nothing wrong"
    return (
        f"seed {run.seed}: {what}; {run.acknowledged} acknowledged, {run.seen} shown, {run.steps} steps in "
        f"{run.seconds:.2f} s, trace {run.trace:08x}"
    )


def chunks(first: int, count: int) -> Iterator[list[int]]:
    for start in range(first, first + count, CHUNK):
        yield list(range(start, min(start + CHUNK, first + count)))


def search(
    scenario: str, first: int, count: int, *, minutes: float, nodes: int, jobs: int, longest_s: float, counts: bool
) -> int:
    started = perf_counter()
    failed = acknowledged = seen = done = 0
    happened: Counter[str] = Counter()
    gc.collect()
    gc.freeze()  # what is loaded lives on: collecting between two seeds is quick then
    with ProcessPoolExecutor(jobs) as pool:
        chunked = pool.map(partial(run_chunk, scenario=scenario, minutes=minutes, nodes=nodes), chunks(first, count))
        for chunk in chunked:
            for seed, violations, _, its_acknowledged, its_seen, its_counts in chunk:
                done += 1
                acknowledged += its_acknowledged
                seen += its_seen
                happened += its_counts
                if violations:
                    failed += 1
                    print(f"seed {seed} fails: {violations[0]}", flush=True)
                    how = f"--scenario {scenario} --nodes {nodes} --minutes {minutes:g} --seed {seed}"
                    print(f"    python -m tests.simulation {how}", flush=True)
            if perf_counter() - started > longest_s:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    if counts:
        for what, number in happened.most_common():
            print(f"{number:10,}  {what}")
    print(
        f"{scenario} on {nodes}: {failed} of {done} seeds fail; {minutes:g} virtual minutes each, {acknowledged:,} "
        f"commands acknowledged, {seen:,} publications shown, {perf_counter() - started:.1f} s in {jobs} processes"
    )
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="replay this one, with its timeline")
    parser.add_argument("--last", type=int, help="only so many lines of the timeline")
    parser.add_argument("--minutes", type=float, default=10.0, help="virtual minutes of trouble in each seed")
    parser.add_argument("--nodes", type=int, default=1, help="how many share the database")
    parser.add_argument("--longest", type=float, default=float("inf"), help="seconds after which no more are begun")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    parser.add_argument("--counts", action="store_true", help="say how often what happened")
    chosen = parser.parse_args()
    names = list(SCENARIOS) if chosen.scenario == "all" else [chosen.scenario]
    if chosen.seed is not None:
        return max(replay(chosen.seed, name, chosen.minutes, chosen.nodes, chosen.last) for name in names)
    return max(
        search(
            name,
            chosen.first,
            chosen.seeds,
            minutes=chosen.minutes,
            nodes=chosen.nodes,
            jobs=chosen.jobs,
            longest_s=chosen.longest,
            counts=chosen.counts,
        )
        for name in names
    )


if __name__ == "__main__":
    sys.exit(main())
