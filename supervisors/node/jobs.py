"""Jobs of a node: what reads for queues, how long jobs are kept, who works on them, and which schedules there are."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.listing.lists import JobLists
from greenroom.actors.jobs.schedule.declared import DeclaredSchedule
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.message import Message
from greenroom.config.settings import Settings
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.jobs.kept import Kept
from greenroom.store.jobs.listing_postgres import PostgresListing
from greenroom.store.overview.entity import is_stored
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.jobs.days import Days
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.jobs.matcher import Matcher
from greenroom.supervisors.jobs.reach.on_node import OnNode
from greenroom.supervisors.jobs.rescue import this_worker
from greenroom.supervisors.jobs.schedules.declaring import Declaring, is_newest
from greenroom.supervisors.jobs.workers import Workers
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec


class NodeJobs:
    """Made before the kernel, which has `finder` read for its queues; `begin` with it then."""

    def __init__(
        self,
        jobs: Jobs | None,
        schedules: Sequence[DeclaredSchedule],
        *,
        settings: Settings,
        pool: Pool,
        membership: Membership,
        kernel: Callable[[], Kernel],
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self.installed = jobs if jobs is not None else Jobs()
        self._schedules = schedules
        self._settings = settings
        self._pool = pool
        self._membership = membership
        self._telemetry = telemetry

        def tell_here(entity: str, message: Message) -> bool:
            return kernel().router.tell_here(entity, message)

        telemetry.jobs.reserved = frozenset(one.queue for one in self.installed)
        self.store = PostgresJobs(pool)
        listing = PostgresListing(pool)
        self.lists = JobLists(listing, clock)
        self._matcher = Matcher(listing, tell=tell_here, new_backoff=new_backoff, now=clock)
        self.finder = Finder(
            self.store,
            tell=tell_here,
            new_backoff=new_backoff,
            match=self._matcher.match,
            instruments=telemetry.jobs,
        )
        kept = Kept.of(
            settings.jobs_kept_days,
            completed=settings.jobs_kept_completed_days,
            failed=settings.jobs_kept_failed_days,
            cancelled=settings.jobs_kept_cancelled_days,
            most=settings.jobs_kept_most,
        )
        self.days = Days(self.store.keep_days, kept, rng=Random())
        self.workers: Workers | None = None  # where this node works on queues

    def begin(self, kernel: Kernel, turn: Turn) -> tuple[ChildSpec, ...]:
        """What goes on in the background, beside the workers."""
        incarnation = self._membership.incarnation
        if self._settings.work:
            self.workers = Workers(
                self._settings.work,
                self.installed,
                name=f"{incarnation:x}",
                ask=kernel.router.ask,
                turn=turn,
                new_backoff=new_backoff,
                process=this_worker(),
                reach=OnNode(lambda: kernel, kernel.router.ask),
                tracing=self._telemetry.tracing,
            )
        declaring = Declaring(
            self._schedules,
            ask=kernel.router.ask,
            is_there=partial(is_stored, self._pool.fetch),
            new_backoff=new_backoff,
            is_newest=lambda: is_newest(self._membership.members(), incarnation),
            instruments=self._telemetry.jobs,
        )
        return (
            ChildSpec(name="finder", start=self.finder.run, shutdown_s=1.0),
            ChildSpec(name="matcher", start=self._matcher.run, shutdown_s=1.0),
            ChildSpec(name="job_days", start=self.days.run, shutdown_s=1.0),
            ChildSpec(name="schedules", start=declaring.run, shutdown_s=1.0),
        )
