"""What is counted of jobs, by queue: as in instruments.py, plain numbers that queues raise in passing.

Whoever may add jobs names queues, and each name costs memory here and in every scrape: past QUEUES_MAX of them, further
ones are counted together as "other". Those of the code always have their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

from greenroom.config.telemetry.instruments import OTHER, Histogram, Metric

QUEUES_MAX: Final = 100  # that are told apart, and those of the code
OTHERS_MAX: Final = 1_000  # of the others that are looked at for gauges
_SPAN_FIRST_S: Final = 0.001  # 1 ms; times four, twelve times, is over an hour
_SPAN_FACTOR: Final = 4.0
_SPAN_BUCKETS: Final = 12

ByQueue = dict[tuple[str], int]


def spans() -> Histogram:
    """For seconds: 1 ms to 70 min. Few buckets: there is one of these for each queue."""
    return Histogram(first=_SPAN_FIRST_S, factor=_SPAN_FACTOR, buckets=_SPAN_BUCKETS)


class QueueCounts:
    """Where one queue counts, by its node's thread alone. It is told apart once it has jobs: anybody may wake one."""

    __slots__ = ("_instruments", "_label", "_name", "_run_s", "_wait_s")

    def __init__(self, instruments: "JobInstruments", name: str) -> None:
        self._instruments = instruments
        self._name = name
        self._label: tuple[str] | None = None

    def has_jobs(self) -> tuple[str]:
        """From now on it is told apart, where there is room; returns its label."""
        if self._label is None:
            instruments = self._instruments
            self._label = label = (instruments.take(self._name),)
            self._wait_s = instruments.job_wait_s.setdefault(label, spans())
            self._run_s = instruments.job_run_s.setdefault(label, spans())
        return self._label

    def added(self, jobs: int) -> None:
        _raise(self._instruments.jobs_added, self.has_jobs(), jobs)

    def duplicates(self, jobs: int) -> None:
        _raise(self._instruments.job_duplicates, self.has_jobs(), jobs)

    def refused(self) -> None:
        """Somebody was to add jobs, and was told no. That alone has no queue told apart."""
        _raise(self._instruments.job_adds_refused, (self._instruments.label(self._name),), 1)

    def begun(self, waited_ms: int, jobs: int) -> None:
        """So many were handed out that had waited for so long."""
        self.has_jobs()
        self._wait_s.record_many(waited_ms / 1000, jobs)

    def limited(self) -> None:
        """Jobs were ready, somebody wanted them, and limits did not let them go."""
        _raise(self._instruments.job_limits_hit, self.has_jobs(), 1)

    def ended(self, outcome: str, jobs: int) -> None:
        counts, label = self._instruments.jobs_ended, (*self.has_jobs(), outcome)
        counts[label] = counts.get(label, 0) + jobs

    def ran(self, ran_ms: int, jobs: int) -> None:
        """So many ended as long after they were handed out."""
        self.has_jobs()
        self._run_s.record_many(ran_ms / 1000, jobs)

    def retried(self, jobs: int) -> None:
        _raise(self._instruments.job_retries, self.has_jobs(), jobs)

    def lost(self, workers: int, jobs: int) -> None:
        """Workers were not heard of for too long, or have ended, with so many jobs in hand."""
        label = self.has_jobs()
        _raise(self._instruments.job_workers_lost, label, workers)
        _raise(self._instruments.job_rescues, label, jobs)


def _raise(counts: ByQueue, label: tuple[str], by: int) -> None:
    counts[label] = counts.get(label, 0) + by


def _by_queue() -> ByQueue:
    return {}


@dataclass(slots=True, kw_only=True)
class JobInstruments:
    """The numbers of a node's queues. Those of the present are looked up when somebody asks: see `look`."""

    jobs_waiting: Annotated[
        ByQueue,
        Metric(
            "gauge",
            "jobs that could be handed out",
            look="it rises: too few workers, a limit, or a pause",
            labels=("queue",),
        ),
    ] = field(default_factory=_by_queue)
    jobs_later: Annotated[
        ByQueue, Metric("gauge", "jobs whose time has not come, to be tried again among them", labels=("queue",))
    ] = field(default_factory=_by_queue)
    jobs_active: Annotated[ByQueue, Metric("gauge", "jobs under way", labels=("queue",))] = field(
        default_factory=_by_queue
    )
    job_oldest_s: Annotated[
        dict[tuple[str], float],
        Metric(
            "gauge",
            "how long the oldest of the jobs that wait has waited",
            look="above five minutes: as for jobs_waiting",
            labels=("queue",),
        ),
    ] = field(default_factory=dict)
    job_workers: Annotated[
        ByQueue,
        Metric(
            "gauge",
            "workers that have jobs in hand, or wait for some",
            look="0 while jobs wait: nobody works on them",
            labels=("queue",),
        ),
    ] = field(default_factory=_by_queue)
    jobs_added: Annotated[
        ByQueue,
        Metric(
            "counter",
            "jobs added, those that others had written and those tried again after their end among them",
            labels=("queue",),
        ),
    ] = field(default_factory=_by_queue)
    job_duplicates: Annotated[
        ByQueue, Metric("counter", "jobs not added, since one with their key was there", labels=("queue",))
    ] = field(default_factory=_by_queue)
    job_adds_refused: Annotated[
        ByQueue,
        Metric("counter", "commands to add jobs that were refused, whatever for", labels=("queue",)),
    ] = field(default_factory=_by_queue)
    job_wait_s: Annotated[
        dict[tuple[str], Histogram],
        Metric("histogram", "from when a job was due until it was handed out", labels=("queue",)),
    ] = field(default_factory=dict)
    job_run_s: Annotated[
        dict[tuple[str], Histogram],
        Metric("histogram", "from when a job was handed out last until it ended", labels=("queue",)),
    ] = field(default_factory=dict)
    jobs_ended: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "counter",
            "jobs that have ended; outcome is completed, failed or cancelled",
            look="more than a few of them failed: their errors say why",
            labels=("queue", "outcome"),
        ),
    ] = field(default_factory=dict)
    job_retries: Annotated[
        ByQueue, Metric("counter", "attempts that failed, of jobs that are tried again", labels=("queue",))
    ] = field(default_factory=_by_queue)
    job_workers_lost: Annotated[
        ByQueue,
        Metric(
            "counter",
            "workers that were not heard of for a lease, or whose process ended, with jobs in hand",
            look="ever: workers are killed, run out of memory, or stand still",
            labels=("queue",),
        ),
    ] = field(default_factory=_by_queue)
    job_rescues: Annotated[ByQueue, Metric("counter", "jobs that these had in hand", labels=("queue",))] = field(
        default_factory=_by_queue
    )
    job_limits_hit: Annotated[
        ByQueue,
        Metric(
            "counter", "times that workers got less than they wanted of what was ready, by a limit", labels=("queue",)
        ),
    ] = field(default_factory=_by_queue)
    schedules_orphaned: Annotated[
        int,
        Metric(
            "gauge",
            "schedules that were declared by the code and are no more, as the node that was started last says",
            look="ever: they fire no more; drop them, or declare them again",
        ),
    ] = 0
    queues_max: int = QUEUES_MAX
    reserved: frozenset[str] = frozenset()  # the code's queues: they are told apart, whatever others there are
    others: dict[str, None] = field(default_factory=dict)  # some of those that are counted together
    look: Callable[[], None] = lambda: None  # fills in the gauges: see supervisors/admin/jobs/gauges.py

    def of(self, queue: str) -> QueueCounts:
        return QueueCounts(self, queue)

    def label(self, queue: str) -> str:
        """What that queue is called here now."""
        return queue if (queue,) in self.job_wait_s or queue in self.reserved else OTHER

    def take(self, queue: str) -> str:
        """What it is called from now on."""
        known = self.job_wait_s
        if (queue,) in known or queue in self.reserved:
            return queue
        if len(known) + sum((one,) not in known for one in self.reserved) < self.queues_max:
            return queue
        if len(self.others) < OTHERS_MAX:
            self.others[queue] = None
        return OTHER
