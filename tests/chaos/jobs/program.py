"""`make chaos ARGS="--jobs"`: processes that work on jobs are killed, held up and stopped under load, first with the
server, its Postgres and its Valkey treated as badly, then alone; then what they wrote down is checked.

0 lost and 0 done twice, whatever was struck. How soon jobs of a dead worker run again is a promise of the second half,
in which nothing else is wrong.
"""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from greenroom.actors.jobs.queue.desk import LOST_MAX
from greenroom.store.own.servers import OwnServers
from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import TokenConfig
from tests.chaos.faults import JOB_KINDS, Fault, schedule
from tests.chaos.histories import read_events
from tests.chaos.jobs.adders import Adders
from tests.chaos.jobs.attempts import (
    FAR_S,
    NEAR_S,
    Ended,
    Rescues,
    attempts_of,
    check_heard,
    check_jobs,
    histogram,
    rescues_of,
)
from tests.chaos.jobs.chores import FOLDER, QUEUE
from tests.chaos.jobs.crews import Crews
from tests.chaos.processes import SETTINGS, Processes
from tests.chaos.verdict import Verdict

RECOVER_S = 120.0  # after the last fault, for every job to have ended
BAR = 30  # characters
BAR_EVERY_S = 5.0
LOOK_S = 0.02
SERVED_S = 1.0
CALM_S = 6.0  # after which nothing of the first half is wrong any more, once the server serves
HELD_UP_S = (11.0, 13.0)  # of a worker that is to lose its lease
DONE = f"SELECT id, state, result, errors::text, ended_ms FROM jobs_done WHERE queue = '{QUEUE}'"
WORKER_LOST = ("the worker was lost", "its process ended: SIGKILL", f"it ended {LOST_MAX} workers")
LEFT = f"SELECT count(*) FROM jobs WHERE queue = '{QUEUE}'"


@dataclass(frozen=True, slots=True)
class JobsOutcome:
    """Of one run."""

    verdict: Verdict
    rescues: Rescues
    ended_workers: int  # jobs that have failed since three workers ended with them in hand
    faults: dict[str, int]
    errors: dict[str, int]
    left: int  # jobs that had not ended RECOVER_S after the last fault
    gave_up: int
    overdue: int
    exit_status: int | None
    recovered_s: float
    workers: int  # that were started

    def why_failed(self) -> list[str]:
        """In words; empty when all is as it should be."""
        late = [one for one in (*self.rescues.near_s, *self.rescues.far_s) if one > FAR_S]
        near = sorted(self.rescues.near_s)
        slow = near[len(near) // 2] if near else 0.0
        return [
            text
            for wrong, text in (
                (self.verdict.broken, f"{self.verdict.broken} invariants were broken"),
                (not self.verdict.acknowledged, "nothing was acknowledged"),
                (self.left, f"{self.left} jobs had not ended {RECOVER_S:.0f} s after the last fault"),
                (self.gave_up, f"a server that was ready ended by itself, {self.gave_up} times"),
                (self.overdue, f"stops took too long, {self.overdue} times"),
                (self.exit_status != 0, f"the last stop of the server ended with {self.exit_status}"),
                (late, f"{len(late)} jobs of workers that had ended ran again only after more than {FAR_S:g} s"),
                (
                    slow > NEAR_S,
                    f"half of the jobs of workers killed on this host ran again after {slow:.1f} s or more",
                ),
            )
            if wrong
        ]


def run_jobs(seed: int, seconds: float, rate: float, folder: Path, say: Callable[[str], None]) -> JobsOutcome:
    """Raises: DidNotStart, Unreadable, OSError."""
    notes = folder / "notes"
    notes.mkdir()
    secret = secrets.token_hex(32)
    settings = {
        **SETTINGS,
        "GREENROOM_ENTITIES": "tests.chaos.jobs.chores",
        "GREENROOM_AUTH_SECRET": secret,
        "GREENROOM_WORK": f"{QUEUE}:4",
        FOLDER: str(notes),
    }
    token = TokenSigner(TokenConfig(secret=secret.encode()), time.time).connection_token(
        "chaos", roles=["service"], ttl_s=seconds * 2 + 3600
    )
    half_s = seconds / 2
    faults = [
        *schedule(seed, half_s, victims=None, kinds_of=JOB_KINDS),
        *[_held_up(one, half_s) for one in schedule(seed + 1, half_s, victims=("worker", "child"), kinds_of=JOB_KINDS)],
    ]
    with Processes(folder, say, settings) as processes:
        url = f"http://{processes.address[0]}:{processes.address[1]}"
        work = {**settings, "GREENROOM_WORK_TOKEN": token}
        del work["GREENROOM_WORK"]
        with Crews(url, work, folder / "workers.log", say) as crews:
            adders = Adders(processes.address, token, rate, seed)
            adders.start()
            play = _Play(faults, seconds, processes, crews, say)
            play.strike(lambda: len(adders.acknowledged))
            say("no more faults")
            processes.calm()
            crews.calm()
            calm_at = time.monotonic()
            answered = adders.finish(RECOVER_S)
            processes.wait_ready()
            left = play.wait(lambda: _count(folder), calm_at + RECOVER_S)
            recovered_s = time.monotonic() - calm_at
            say("every job has ended; reading what was written down" if not left else f"{left} jobs have not ended")
        done = _rows(folder)
        heard = read_events(processes.address, [f"foreman/{number}" for number in adders.foremen()], token)
        exit_status = processes.end()
    attempts = attempts_of(line for file in sorted(notes.iterdir()) for line in file.read_text().splitlines())
    verdict = Verdict()
    # By what is stored of it: a process that was killed at once has written nothing down.
    poisoned = {job for job, one in done.items() if one.state == "failed" and one.lost >= LOST_MAX}
    others = [job for job in adders.acknowledged if job not in poisoned]
    check_jobs(verdict, others, done, attempts)
    placed = {
        event["job"]: foreman for foreman, events in heard.items() for event in events if "placed" in event["type"]
    }
    hearings = [
        (event["job"], event["well"] or event["job"] in poisoned)
        for events in heard.values()
        for event in events
        if "heard" in event["type"]
    ]
    check_heard(verdict, placed, hearings)
    for text in adders.refused:
        verdict.count("refused", text)
    if not answered:
        verdict.count("not_recovered", "an adder was never answered")
    return JobsOutcome(
        verdict,
        rescues_of(crews.struck, attempts),
        len(poisoned),
        dict(sorted((processes.struck + crews.hit).items())),
        dict(adders.errors.most_common()),
        left,
        processes.gave_up,
        processes.overdue + crews.overdue,
        exit_status,
        recovered_s,
        crews.started,
    )


def _held_up(fault: Fault, half_s: float) -> Fault:
    """As it comes in the second half: every other worker that stands still loses its lease."""
    stall_s = fault.stall_s
    if fault.deed == "stall" and fault.pick < 0.5:
        stall_s = HELD_UP_S[0] + 2 * fault.pick * (HELD_UP_S[1] - HELD_UP_S[0])
    return replace(fault, at_s=half_s + fault.at_s, stall_s=stall_s)


class _Play:
    """Every fault at its moment, or when there is somebody to be struck."""

    def __init__(
        self, faults: list[Fault], seconds: float, processes: Processes, crews: Crews, say: Callable[[str], None]
    ) -> None:
        self._faults = deque(faults)
        self._seconds = seconds
        self._processes = processes
        self._crews = crews
        self._say = say
        self._begun = time.monotonic()
        self._bar_at = BAR_EVERY_S
        self._disturbed_at = 0.0  # when anything but a worker was struck last, or did not serve

    def strike(self, added: Callable[[], int]) -> None:
        late_s = 0.0
        while (now_s := time.monotonic() - self._begun) < self._seconds:
            if self._faults and now_s >= self._faults[0].at_s + late_s:
                fault = self._faults[0]
                if (fault.early or self._processes.served_s >= SERVED_S) and self._hit(fault):
                    late_s = min(now_s - self._faults.popleft().at_s, self._seconds / 10)
                elif now_s > self._faults[0].at_s + late_s + CALM_S:  # nobody of that kind is there: the next one
                    self._faults.popleft()
            self._look()
            if now_s >= self._bar_at:
                self._bar_at += BAR_EVERY_S
                self._say(f"{_bar(now_s / self._seconds)}  {added():,} jobs added")
            time.sleep(LOOK_S)

    def _hit(self, fault: Fault) -> bool:
        if fault.victim in ("worker", "child"):
            return self._crews.strike(fault, is_clear=time.monotonic() > self._disturbed_at + CALM_S)
        return self._processes.strike(fault)

    def _look(self) -> None:
        self._processes.tend()
        self._crews.tend()
        ends_s = self._seconds / 2
        if time.monotonic() - self._begun < ends_s or not self._processes.served_s:
            self._disturbed_at = time.monotonic()

    def wait(self, left: Callable[[], int], until: float) -> int:
        """Until every job has ended, or that moment; how many have not."""
        while (count := left()) and time.monotonic() < until:
            self._look()
            time.sleep(0.2)
        return count


def _bar(share: float) -> str:
    done = round(BAR * min(1.0, share))
    return f"[{'#' * done}{'.' * (BAR - done)}] {share:4.0%}"


def _count(folder: Path) -> int:
    return int(_fetch(folder, LEFT)[0][0])


def _rows(folder: Path) -> dict[str, Ended]:
    apart_ns = time.time_ns() - time.monotonic_ns()
    return {
        row[0].hex: Ended(
            row[1],
            json.loads(row[2] or b"{}"),
            row[4] * 1_000_000 - apart_ns,
            sum(one["error"] in WORKER_LOST for one in json.loads(row[3] or "[]")),
        )
        for row in _fetch(folder, DONE)
    }


def _fetch(folder: Path, query: str) -> list[Any]:
    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(OwnServers(folder / "data").running_database_url, timeout=10)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close(timeout=10)

    return asyncio.run(fetch())


def report_jobs(outcome: JobsOutcome) -> str:
    """For people."""
    verdict, rescues = outcome.verdict, outcome.rescues
    lines = [""]
    for title, counts in (("faults", outcome.faults), ("answers that asked to try again", outcome.errors)):
        lines += [f"{title}:", *(f"  {count:8,}  {what}" for what, count in counts.items())]
    for title, seconds in (
        (f"run again after their worker was killed, on this host (≤ {NEAR_S:g} s)", rescues.near_s),
        (f"run again after their worker stood still (≤ {FAR_S:g} s)", rescues.far_s),
        ("run again while the server or a store was struck too", rescues.disturbed_s),
    ):
        lines += ["", f"{title}: {len(seconds)}", *histogram(seconds)]
    rows = [
        ("jobs acknowledged", f"{verdict.acknowledged:,}"),
        ("started by entities, which heard", f"{verdict.paid:,}"),
        ("processes of workers", f"{outcome.workers}"),
        ("failed, for they ended three workers", f"{outcome.ended_workers}"),
        ("all ended after the last fault in", f"{outcome.recovered_s:.1f} s"),
        ("lost", f"{verdict.lost:,}"),
        ("done twice", f"{verdict.duplicated:,}"),
        ("contradicted", f"{verdict.contradicted:,}"),
        ("refused for good", f"{verdict.refused:,}"),
        ("not ended", f"{outcome.left:,}"),
        ("stops that took too long", f"{outcome.overdue}"),
        ("exit status of the last stop", f"{outcome.exit_status}"),
    ]
    width = max(len(name) for name, _ in rows)
    lines += ["", *(f"{name.ljust(width)}  {value}" for name, value in rows)]
    for what, examples in verdict.examples.items():
        lines += ["", f"{what.replace('_', ' ')}, for example:", *(f"  {example}" for example in examples)]
    return "\n".join(lines)
