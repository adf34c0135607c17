"""The jobs that bring a post to those who follow its author."""

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.work import Work
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Visibility


class SpreadPlan(Job, queue="social", tag="spread.plan"):
    """Decide how a post comes to whom."""

    post: str
    author: Subject
    at_ms: int  # Unix
    is_story: bool = False
    visibility: Visibility = "public"

    async def run(self, work: Work) -> None:
        """Nothing yet."""
