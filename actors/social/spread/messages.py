"""What `spread:ID` can be told, by the jobs that write a post's way to its followers."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Visibility

PAGE_FOLLOWERS_MAX = 500
PAGES_MAX = 1_000  # of one post
PAGES_AT_ONCE_MAX = 20  # told in one message


class Stretch(Struct, frozen=True):
    """Followers that are written to together: from `first` on, before `until`."""

    first: Subject
    until: Subject = ""  # "": to the end
    after: str = ""  # a cursor of the view `followers`: what is before `first`


class Decided(Struct, frozen=True):
    """How a post comes to those who follow its author."""

    is_written: bool  # into feeds; else whoever reads looks at the author's wall


class Begin(Ask[Decided], tag="spread.begin"):
    """Decide how the post comes to those who follow its author. What was decided first holds, and is answered."""

    author: Subject
    at_ms: int
    is_story: bool = False
    is_written: bool = True
    visibility: Visibility = "public"


class WriteTo(Ask[Done], tag="spread.write_to"):
    """Write to these, each by a job of its own. Those of which it knows are left as they are."""

    stretches: Annotated[list[Stretch], Meta(max_length=PAGES_AT_ONCE_MAX)]


class WritePage(Ask[Done], tag="spread.write_page"):
    """These followers have it in their feeds now. The same page again changes nothing."""

    page: Annotated[str, Meta(min_length=1, max_length=64)]  # a name that the same page has each time
    author: Subject
    at_ms: int
    kept: Annotated[list[Subject], Meta(max_length=PAGE_FOLLOWERS_MAX)]
    shed: Annotated[list[Subject], Meta(max_length=PAGE_FOLLOWERS_MAX)]  # who follow too many to have all
    is_story: bool = False
