"""The matcher: looks for the jobs that bulk commands mean. That takes long: the finder, which nobody may hold up, does
not wait for it.

It looks at rows for LOOK_S and tells the queue what there is; a command goes on from there with its next message.
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from greenroom.actors.jobs.queue.bulk.messages import Matched
from greenroom.actors.model.message import Message
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.filter import Match
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import JobListing, ListedJob, count_of, page_of
from greenroom.supervisors.supervision.backoff import NewBackoff

log = structlog.get_logger("greenroom.jobs")

LOOK_S = 1.0
AT_ONCE, WAITING_MAX = 2, 64  # questions that are looked into, and those that wait
WHOLE_BYTES = 4 << 20  # of arguments of jobs that are begun anew with one message, and those of one more
TRIES_S = 20.0  # while the database is away; whoever asks waits no longer than that


class Matcher:
    """A supervised child: `run`."""

    def __init__(
        self,
        listing: JobListing,
        *,
        tell: Callable[[str, Message], bool],
        new_backoff: NewBackoff,
        now: Callable[[], float],
    ) -> None:
        """`tell`: see Finder. `now`: Unix seconds."""
        self._listing = listing
        self._tell = tell
        self._new_backoff = new_backoff
        self._now = now
        self._send, self._receive = trio.open_memory_channel[tuple[str, Match]](WAITING_MAX)

    def match(self, queue: str, match: Match) -> bool:
        """See QueueReads."""
        try:
            self._send.send_nowait((queue, match))
        except trio.WouldBlock:
            return False
        return True

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: this call; a crash of one ends all, and it is started again
            for _ in range(AT_ONCE):
                nursery.start_soon(self._look_on)
            task_status.started()

    async def _look_on(self) -> None:
        while True:
            queue, match = await self._receive.receive()
            backoff = self._new_backoff()
            with trio.move_on_after(TRIES_S):
                while True:
                    try:
                        matched = await self._matched(match)
                    except StoreUnavailable as error:
                        log.info("jobs_not_looked_for", error=shown(error))
                        await trio.sleep(backoff.next())
                    else:
                        self._tell(f"queue:{queue}", matched)  # where it is away nobody waits for it
                        break

    async def _matched(self, match: Match) -> Matched:
        """Raises: StoreUnavailable."""
        until = trio.current_time() + LOOK_S
        now_ms = int(self._now() * 1000)

        def goes_on() -> bool:
            return trio.current_time() < until

        if match.counts:
            count, after = await count_of(self._listing, match.asked, match.before, now_ms=now_ms, goes_on=goes_on)
            return Matched(number=match.number, found=count, jobs=[], whole=[], after=after)
        page = await page_of(self._listing, match.asked, match.before, most=match.most, now_ms=now_ms, goes_on=goes_on)
        jobs, after, whole = page.jobs, page.after, list[JobFound]()
        if match.is_whole:
            jobs = within(jobs)
            after = after if len(jobs) == len(page.jobs) else jobs[-1].id
            whole = await self._listing.ended([job.id for job in jobs if job.ended_ms is not None])
        named = await self._listing.named([job.id for job in jobs]) if match.names and jobs else []
        return Matched(number=match.number, found=len(jobs), jobs=jobs, whole=whole, after=after, named=named)


def within(jobs: Sequence[ListedJob]) -> list[ListedJob]:
    """As many as have WHOLE_BYTES of arguments together, one at least where there are any."""
    size = 0
    for number, job in enumerate(jobs):
        if size >= WHOLE_BYTES:
            return list(jobs[:number])
        size += job.arguments_bytes
    return list(jobs)
