"""Personal fields: what of a stored value is about which user, so that a user can be forgotten.

    class MessageSent(Event, tag="room.message"):
        author: Subject            # names a user, as `UserId` does
        text: Personal[str]        # is about them
        room_size: int             # is about nobody

    class RoomState(Struct):
        members: dict[Subject, Member]

When a user is forgotten, their id becomes a name that says nothing, the same wherever it stood, and what is about them
becomes empty. A `Personal` field is about the users whom its own struct names; where that names nobody, those whom the
struct around it does; of an event that names nobody, the one who caused it. All else stays as it is, and so does the
event: what an entity has counted, it has counted.
"""

from typing import Annotated, Final, TypeVar

from msgspec import Meta

T = TypeVar("T")

SUBJECT: Final = "subject"
PERSONAL: Final = "personal"
SECRET: Final = "secret"

Subject = Annotated[str, Meta(extra={SUBJECT: True})]  # names a user; may be "" for nobody, which a UserId may not
Secret = Annotated[T, Meta(extra={SECRET: True})]  # operators are not shown it, in a job's arguments
Personal = Annotated[T, Meta(extra={PERSONAL: True})]  # is about the user that its struct names
