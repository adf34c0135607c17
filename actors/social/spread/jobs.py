"""The jobs that bring a post to who follows its author. Nobody who posts waits for them.

    SpreadPlan ──► spread:ID ──► SpreadPage, SpreadPage, …       written: one job for each stretch of followers
        └───────► nudges, page after page                        not written: readers look at the author's wall

The stretches are cut by key, so each job finds its followers by itself, is tried again by itself, and waits for none of
the others. Feeds that are awake are nudged either way, so that whoever watches hears of it at once; that is no promise,
and what a feed reads does not depend on it.
"""

from hashlib import blake2b
from typing import ClassVar

import msgspec
from msgspec import Struct

from greenroom.actors.jobs.job import Job, JobLimits
from greenroom.actors.jobs.limits import JobQueue
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.jobs.work import Work
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Arrived, Visibility
from greenroom.actors.social.follows.views import Authors, Followers
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.views import Wall
from greenroom.actors.social.spread.messages import (
    PAGE_FOLLOWERS_MAX,
    PAGES_AT_ONCE_MAX,
    PAGES_MAX,
    Begin,
    Stretch,
    WritePage,
    WriteTo,
)
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.share import FOLLOWERS_WRITTEN_MAX, Shares, is_to_be_written, shares

QUEUE = JobQueue("social")
DAY_MS = 86_400_000
NUDGED_AT_ONCE_MAX = 1_000
WALL_MAX = 100  # posts of an author that are counted


class Spreading(Struct, frozen=True):
    """What came of it."""

    written: int = 0
    shed: int = 0
    away: int = 0
    nudged: int = 0


class SpreadPlan(Job, queue=QUEUE, tag="job.spread_plan"):
    """Decide how a post comes to its readers, and have it done."""

    post: str
    author: Subject
    at_ms: int
    is_story: bool = False
    visibility: Visibility = "public"  # who may not see it is passed over where it is read
    written_max: ClassVar[int] = FOLLOWERS_WRITTEN_MAX
    retry: ClassVar[Retry] = Retry(attempts=20, first_s=1.0, max_s=60.0)
    partition: ClassVar[str] = "author"
    limits: ClassVar[JobLimits] = JobLimits(timeout_s=600.0)

    async def run(self, work: Work) -> Spreading:
        authors = await work.query_pages(Authors.Row, [self.author], limit=1)
        followers = authors[self.author][0].followers if self.author in authors else 0
        is_written = is_to_be_written(followers, await self._posts_a_day(work), most=self.written_max)
        begin = Begin(
            author=self.author,
            at_ms=self.at_ms,
            is_story=self.is_story,
            visibility=self.visibility,
            is_written=is_written,
        )
        decided = await work.ask(f"spread:{self.post}", begin)  # an attempt before may have found another number
        return await (self._write(work) if decided.is_written else self._nudge_all(work))

    async def _posts_a_day(self, work: Work) -> int:
        recent = await work.query(Wall.Row, self.author, limit=WALL_MAX)
        return sum(ms_of(row.id) > self.at_ms - DAY_MS for row in recent.rows)

    async def _write(self, work: Work) -> Spreading:
        """Have each stretch written by a job. The first are under way while the last are being looked for."""
        stretches: list[Stretch] = []
        after: str | None = None
        for _ in range(PAGES_MAX):
            found = await work.query(Followers.Row, self.author, limit=PAGE_FOLLOWERS_MAX, after=after)
            if not found.rows:
                break
            first = found.rows[0].follower
            if stretches:
                stretches[-1] = Stretch(stretches[-1].first, first, stretches[-1].after)
            if len(stretches) == PAGES_AT_ONCE_MAX:  # the newest has no end yet unless there is another
                await work.ask(f"spread:{self.post}", WriteTo(stretches=stretches))
                stretches = []
            stretches.append(Stretch(first, "", after or ""))
            if found.next is None:
                break
            after = found.next
        if stretches:
            await work.ask(f"spread:{self.post}", WriteTo(stretches=stretches))
        return Spreading()

    async def _nudge_all(self, work: Work) -> Spreading:
        nudged, after = 0, None
        while True:
            found = await work.query(Followers.Row, self.author, limit=NUDGED_AT_ONCE_MAX, after=after)
            work.nudge([f"feed:{row.follower}" for row in found.rows], arrived_by(self))
            nudged += len(found.rows)
            after = found.next
            if after is None:
                return Spreading(nudged=nudged)


class SpreadPage(Job, queue=QUEUE, tag="job.spread_page"):
    """Write a post into the feeds of one stretch of followers."""

    post: str
    author: Subject
    at_ms: int
    stretch: Stretch
    is_story: bool = False
    visibility: Visibility = "public"
    retry: ClassVar[Retry] = Retry(attempts=20, first_s=1.0, max_s=300.0)
    partition: ClassVar[str] = "author"
    limits: ClassVar[JobLimits] = JobLimits(timeout_s=300.0)

    async def run(self, work: Work) -> Spreading:
        """The stretch may have grown since it was cut: then it is more than one page."""
        done = Spreading()
        after: str | None = self.stretch.after or None
        while True:
            found = await work.query(Followers.Row, self.author, limit=PAGE_FOLLOWERS_MAX, after=after)
            until = self.stretch.until
            followers = [row.follower for row in found.rows if not until or row.follower < until]
            if followers:
                done = await self._write(work, followers, done)
            after = found.next
            if after is None or len(followers) < len(found.rows):
                return done

    async def _write(self, work: Work, followers: list[str], done: Spreading) -> Spreading:
        rows = await work.query_pages(Readers.Row, followers, limit=1)
        them = shares(self.post, followers, {user: row for user, (row,) in rows.items()}, self.at_ms)
        page = WritePage(
            page=name_of(them),
            author=self.author,
            at_ms=self.at_ms,
            kept=them.kept,
            shed=them.shed,
            is_story=self.is_story,
        )
        await work.ask(f"spread:{self.post}", page)
        told = [f"feed:{user}" for user in (*them.kept, *them.away)]  # one who is away may be looking just now
        work.nudge(told, arrived_by(self))
        return Spreading(
            written=done.written + len(them.kept),
            shed=done.shed + len(them.shed),
            away=done.away + len(them.away),
            nudged=done.nudged + len(told),
        )


def name_of(page: Shares) -> str:
    """By all who are on it: tried again after somebody has come or gone, it is another page, which is written too."""
    return blake2b(msgspec.json.encode(page), digest_size=16).hexdigest()


def arrived_by(job: SpreadPlan | SpreadPage) -> Arrived:
    return Arrived(post=job.post, author=job.author, at_ms=job.at_ms, is_story=job.is_story, visibility=job.visibility)


SPREAD_JOBS: tuple[type[Job], ...] = (SpreadPlan, SpreadPage)
