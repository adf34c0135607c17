"""What an inbox can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Literal

from msgspec import Meta

from greenroom.actors.model.message import Tell
from greenroom.actors.personal.fields import Personal, Subject

NoticeKind = Literal[
    "like", "comment", "reply", "mention", "follow", "request", "accepted", "share", "post", "moderation"
]
NoticeId = Annotated[str, Meta(min_length=1, max_length=400)]


class Notify(Tell, tag="inbox.notify"):
    """Something has happened that its user may want to know of. The same `id` again is the same thing."""

    id: NoticeId  # such as `like:POST:USER`
    kind: NoticeKind
    by: Subject  # whose doing it is
    about: Annotated[str, Meta(max_length=300)]  # an entity: `post:ID`, `profile:USER`, `room:lobby`
    group: NoticeId  # what is told together: `like:POST`
    text: Annotated[Personal[str], Meta(max_length=200)] = ""
    at_ms: int = 0  # Unix; 0 is now


class Withdraw(Tell, tag="inbox.withdraw"):
    """It is not so any more: the notice `id` alone, or all of the `group`, or all `about` an entity."""

    id: str = ""
    group: str = ""
    about: str = ""
