"""What was written down of attempts, held against what the database says of jobs: is each done once, and how soon is
one whose worker has ended begun again? Pure.

- A job whose adding was answered has ended, as it should.
- Its result is that of an attempt which has come to its end; nothing begins it anew once it has ended.
- Who has started one hears of it once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.chaos.verdict import Verdict

LATE_NS = 2_000_000_000  # that clocks of a process and of the database may be apart, or one stands still in between
NEAR_S, FAR_S = 1.0, 15.0  # within which jobs of a dead worker are begun again: on its queue's host, and else
BOUNDS_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, float("inf"))


@dataclass(slots=True)
class Attempt:
    pid: int
    begun_ns: int  # monotonic
    ended_ns: int = 0  # 0: it has not come to its end


@dataclass(slots=True)
class Ended:
    """A job as it is stored."""

    state: str
    result: dict[str, int]  # what it has returned
    ended_ns: int  # monotonic, about
    lost: int = 0  # workers, or their processes, that ended with it in hand


@dataclass(slots=True)
class Struck:
    """A worker's process that was ended, or held up, with what it had in hand."""

    pids: frozenset[int]  # and those in which its jobs ran
    at_ns: int
    is_dead: bool  # else it was held up for longer than its lease
    is_clear: bool  # nothing else was wrong meanwhile


@dataclass(slots=True)
class Rescues:
    """How long until what was in hand was begun again, in seconds."""

    near_s: list[float] = field(default_factory=list)
    far_s: list[float] = field(default_factory=list)
    disturbed_s: list[float] = field(default_factory=list)  # while the server or a store was struck as well


def attempts_of(lines: Iterable[str]) -> dict[str, list[Attempt]]:
    """By job, in the order in which they began. `lines` of each process are in order."""
    found: dict[str, list[Attempt]] = {}
    for line in lines:
        job, what, pid, at_ns = line.split()
        if what == "begins":
            found.setdefault(job, []).append(Attempt(int(pid), int(at_ns)))
        else:
            mine = [one for one in found.get(job, ()) if one.pid == int(pid) and not one.ended_ns]
            if mine:
                mine[-1].ended_ns = int(at_ns)
    for attempts in found.values():
        attempts.sort(key=lambda one: one.begun_ns)
    return found


def check_jobs(
    verdict: Verdict,
    acknowledged: Iterable[str],
    ended: Mapping[str, Ended],
    attempts: Mapping[str, list[Attempt]],
) -> None:
    """Adds to `verdict`."""
    for job in acknowledged:
        verdict.acknowledged += 1
        found = ended.get(job)
        if found is None:
            verdict.count("lost", f"job {job} was added, and has not ended")
        elif found.state != "completed":
            verdict.count("contradicted", f"job {job} is {found.state}, and never fails by itself")
    for job, one in ended.items():
        if one.state != "completed":
            continue
        mine = attempts.get(job, [])
        whole = [at for at in mine if (at.pid, at.begun_ns) == (one.result["pid"], one.result["begun_ns"])]
        if not whole or not whole[0].ended_ns:
            verdict.count("contradicted", f"job {job} has the result of no attempt that came to its end")
        late = [at for at in mine if at.begun_ns > one.ended_ns + LATE_NS]
        if late:
            verdict.count("duplicated", f"job {job} was begun again after it had been completed", len(late))


def check_heard(verdict: Verdict, placed: Mapping[str, str], heard: Iterable[tuple[str, bool]]) -> None:
    """`placed`: job -> its foreman; `heard`: of which job, and was it well."""
    counts = Counter(job for job, _ in heard)
    for job, foreman in placed.items():
        verdict.paid += 1
        if not counts[job]:
            verdict.count("lost", f"foreman {foreman} has not heard of job {job}")
        elif counts[job] > 1:
            verdict.count("duplicated", f"foreman {foreman} has heard {counts[job]} times of job {job}")
    for job in counts.keys() - placed.keys():
        verdict.count("contradicted", f"somebody has heard of job {job}, and nobody has started it")
    for job, well in heard:
        if not well:
            verdict.count("contradicted", f"it is heard that job {job} went wrong")


def rescues_of(struck: Iterable[Struck], attempts: Mapping[str, list[Attempt]]) -> Rescues:
    """Of each job that was in hand: not of one that was never begun again, since it had ended just then."""
    found = Rescues()
    for one in struck:
        for mine in attempts.values():
            in_hand = any(
                at.pid in one.pids and at.begun_ns < one.at_ns and not 0 < at.ended_ns < one.at_ns for at in mine
            )
            again = next((at for at in mine if at.begun_ns > one.at_ns and at.pid not in one.pids), None)
            if in_hand and again is not None:
                seconds = (again.begun_ns - one.at_ns) / 1e9
                where = (found.near_s if one.is_dead else found.far_s) if one.is_clear else found.disturbed_s
                where.append(seconds)
    return found


def histogram(seconds: Iterable[float]) -> list[str]:
    """A line for each span that has some."""
    counts: Counter[float] = Counter()
    for one in seconds:
        counts[next(bound for bound in BOUNDS_S if one <= bound)] += 1
    most = max(counts.values(), default=1)
    return [
        f"  {'more' if bound == BOUNDS_S[-1] else f'≤ {bound:g} s':>8}  {counts[bound]:6,}  "
        f"{'#' * max(1, round(40 * counts[bound] / most))}"
        for bound in BOUNDS_S
        if counts[bound]
    ]
