"""Recounting followers: is an author's number that of the edges? It looks, and mends nothing.

    greenroom jobs add social job.recount_followers '{"author": "ann"}'

What is on its way is counted before it is a row, so a count that moves meanwhile is taken again later.
"""

from msgspec import Struct

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.work import Snooze, Work
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.follows.views import Authors, Followers

PAGE = 1_000
LATER_S = 10.0


class Recounted(Struct, frozen=True):
    followers: int  # as they are counted
    edges: int  # as they are

    @property
    def drift(self) -> int:
        return self.followers - self.edges


class RecountFollowers(Job, queue="social", tag="job.recount_followers"):
    """Count the edges of an author, page by page: 1,000 for a million."""

    author: Subject

    async def run(self, work: Work) -> Recounted:
        """Raises: Snooze while it changes."""
        before = await self._counted(work)
        edges = await self._edges(work, before)
        if await self._counted(work) != before:
            raise Snooze(LATER_S)
        return Recounted(before, edges)

    async def _counted(self, work: Work) -> int:
        found = await work.query(Authors.Row, self.author)
        return found.rows[0].followers if found.rows else 0

    async def _edges(self, work: Work, expected: int) -> int:
        edges, cursor = 0, None
        while True:
            page = await work.query(Followers.Row, self.author, limit=PAGE, after=cursor)
            edges += len(page.rows)
            cursor = page.next
            if cursor is None:
                return edges
            await work.progress(min(1.0, edges / max(1, expected)))
