"""What is known for good of a post's way to its followers."""

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.spread.messages import Stretch


class Begun(Event, tag="spread.begun"):
    """How it comes to them."""

    author: Subject
    at_ms: int
    is_story: bool
    is_written: bool
    visibility: Visibility = "public"  # as it was published


class Planned(Event, tag="spread.planned"):
    """Each of these is written to by a job."""

    stretches: list[Stretch]


class PageWritten(Event, tag="spread.page_written"):
    """These have it in their feeds, and those have not, because they follow too many."""

    page: str
    author: Subject
    at_ms: int
    kept: list[Subject]
    shed: list[Subject]
    is_story: bool


SpreadEvent = Begun | Planned | PageWritten
