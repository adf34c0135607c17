"""Recounting followers: is an author's number that of the edges? It looks, and mends nothing.

    greenroom jobs add social job.recount_followers '{"author": "ann"}'

Who has just been counted is a row some milliseconds later, so what differs is counted again before it is told.
"""

import trio
from msgspec import Struct

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.work import Work
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.follows.views import Authors, Followers

PAGE = 1_000
LOOKS = 5
LATER_S = 5.0  # between two looks


class Recounted(Struct, frozen=True):
    """What is counted, and what counting anew comes to."""

    followers: int  # as they are counted
    edges: int  # as they are
    moved: bool = False  # the number changed while edges were counted, each time: somebody comes or goes all the while

    @property
    def drift(self) -> int:
        return self.followers - self.edges


class RecountFollowers(Job, queue="social", tag="job.recount_followers"):
    """Count the edges of an author, page by page: 1,000 for a million."""

    author: Subject

    async def run(self, work: Work) -> Recounted:
        found = await self._look(work)
        for _ in range(LOOKS - 1):
            if not found.drift:
                break
            await trio.sleep(LATER_S)
            found = await self._look(work)
        return found

    async def _look(self, work: Work) -> Recounted:
        before = await self._counted(work)
        edges = await self._edges(work, before)
        after = await self._counted(work)
        return Recounted(after, edges, moved=after != before)

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
