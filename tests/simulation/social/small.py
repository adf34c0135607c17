"""What is large in an application is small in the world `social`, so that five people come to it within minutes: the
number of followers above which posts are not written, of reactions that a post keeps itself, of users who report one;
and how long a story lasts.
"""

from typing import ClassVar

from greenroom.actors.social.moderation.cases import Case
from greenroom.actors.social.post.actor import DAY_MS, Post
from greenroom.actors.social.spread.jobs import SpreadPlan

SHORT_MS = 40_000


class SmallPost(Post):
    """It hands reactions on early; every other story of it is short."""

    reactors_max: ClassVar[int] = 2

    def _ends_ms(self) -> int:
        is_short = int(self.key, 16) % 2 == 0
        return int(self.now * 1000) + (SHORT_MS if is_short else DAY_MS)


class SmallCase(Case):
    """Two who report it hide it."""

    hide_at: ClassVar[int] = 2


class SmallPlan(SpreadPlan, tag="job.spread_plan"):
    """Who has three followers is looked up."""

    written_max: ClassVar[int] = 2
