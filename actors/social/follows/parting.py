"""Parting: before a user is forgotten they follow nobody any more, and nobody follows them. Then all counts are exact.

    greenroom forget --user ann

has this done first, and so does `greenroom forget follows:ann`; or by itself:

    greenroom jobs add social job.part_from_all '{"user": "ann"}'

Forgetting works on the database, where an author's number is not known from edges. Here each edge ends as any other
does, and whoever counts it hears so. The account becomes private, so that nobody begins to follow meanwhile.

Whom to cut, rows say, which may be late: of who is gone, and of who has just come. That all are gone, the number says,
which is exact. So rows are gone through again only where it falls no more.
"""

from collections.abc import AsyncIterator
from typing import ClassVar

import trio
from msgspec import Struct

from greenroom.actors.jobs.job import Job, JobLimits
from greenroom.actors.jobs.work import Work
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.follows.messages import PARTED_MAX, Part, Parted
from greenroom.actors.social.follows.views import Followers

LOOK_S = 1.0  # between two looks at what has ended
STILL = 5  # looks in which nothing has: what is told others is there by then, as a rule
PASSES_MAX = 5  # through all rows


class NotParted(Exception):
    """Some are left; the text says how many."""


class PartedFromAll(Struct, frozen=True):
    """How many edges have ended, those that were asked for among them."""

    followed: int = 0
    followers: int = 0


class PartFromAll(Job, queue="social", tag="job.part_from_all"):
    """A user, from all whom they follow and all who follow them."""

    user: Subject
    before_forgetting: ClassVar[str] = "follows"
    limits: ClassVar[JobLimits] = JobLimits(timeout_s=3_600.0)

    async def run(self, work: Work) -> PartedFromAll:
        """Raises: NotParted, where rows are later than that, or name no more all who are counted."""
        followed = followers = before = 0
        for _ in range(PASSES_MAX):
            async for parted in self._pass(work):
                followed += parted.left
                followers += max(0, before - parted.followers) if parted.followers >= 0 else 0
                before = parted.followers
            if before == 0:
                return PartedFromAll(followed, followers)
        left = f"{before} are" if before >= 0 else "nobody knows how many are"
        raise NotParted(f"{left} left, of whom rows say nothing, or not yet")

    async def _pass(self, work: Work) -> AsyncIterator[Parted]:
        """Cut all whom rows name, and look until nothing ends any more: each answer."""
        cursor = None
        while True:
            page = await work.query(Followers.Row, self.user, limit=PARTED_MAX, after=cursor)
            yield (parted := await self._part(work, [row.follower for row in page.rows]))
            cursor = page.next
            if cursor is None:
                break
        still = 0
        while still < STILL:
            before = parted.followers
            if not parted.more:
                await trio.sleep(LOOK_S)
            yield (parted := await self._part(work, []))
            has_ended = parted.left or parted.followers < before
            still = 0 if has_ended else still + 1

    async def _part(self, work: Work, followers: list[str]) -> Parted:
        return await work.ask(f"follows:{self.user}", Part(followers=followers))
