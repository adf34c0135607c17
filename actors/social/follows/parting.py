"""Parting: before a user is forgotten they follow nobody any more, and nobody follows them. Then all counts are exact.

    greenroom jobs add social job.part_from_all '{"user": "ann"}'
    greenroom forget --user ann

Forgetting works on the database, where an author's number is not known from edges. Here each edge ends as any other
does, and whoever counts it hears so. The account becomes private, so that nobody begins to follow meanwhile.
"""

from typing import ClassVar

import trio
from msgspec import Struct

from greenroom.actors.jobs.job import Job, JobLimits
from greenroom.actors.jobs.work import Work
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.follows.messages import PARTED_MAX, Part
from greenroom.actors.social.follows.views import Followers

ROWS_S = 1.0  # by which the rows of who was cut have gone, as a rule
ON_ITS_WAY_S = 5.0  # likewise, what others were told last


class PartedFromAll(Struct, frozen=True):
    """How many edges have ended, those that were asked for among them."""

    followed: int = 0
    followers: int = 0


class PartFromAll(Job, queue="social", tag="job.part_from_all"):
    """A user, from all whom they follow and all who follow them."""

    user: Subject
    limits: ClassVar[JobLimits] = JobLimits(timeout_s=3_600.0)

    async def run(self, work: Work) -> PartedFromAll:
        followed = 0
        cut: set[str] = set()
        while True:
            left, cuts = await self._once(work)
            followed += left
            cut |= cuts
            if not (left or cuts):
                await trio.sleep(ON_ITS_WAY_S)
                return PartedFromAll(followed, len(cut))
            await trio.sleep(ROWS_S)

    async def _once(self, work: Work) -> tuple[int, set[str]]:
        """From all that there are by now: how many were left, and who was cut."""
        left, cut, cursor, more = 0, set[str](), None, True
        while more or cursor is not None:
            page = await work.query(Followers.Row, self.user, limit=PARTED_MAX, after=cursor)
            followers = [row.follower for row in page.rows]
            cut.update(followers)
            parted = await work.ask(f"follows:{self.user}", Part(followers=followers))
            left, more, cursor = left + parted.left, parted.more, page.next
        return left, cut
