"""What `spread:ID` can be told, by the jobs that write a post's way to its followers."""

from typing import Annotated

from msgspec import Meta

from greenroom.actors.model.message import Ask, Done
from greenroom.actors.personal.fields import Subject

PAGE_FOLLOWERS_MAX = 500


class WritePage(Ask[Done], tag="spread.write_page"):
    """These followers have it in their feeds now. The same page again changes nothing."""

    page: Annotated[str, Meta(min_length=1, max_length=300)]  # the follower with which it begins
    author: Subject
    at_ms: int
    kept: Annotated[list[Subject], Meta(max_length=PAGE_FOLLOWERS_MAX)]
    shed: Annotated[list[Subject], Meta(max_length=PAGE_FOLLOWERS_MAX)]  # who follow too many to have all
    is_story: bool = False
