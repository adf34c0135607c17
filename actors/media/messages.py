"""What media can be told, and answers. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import END, Ask, Done, Tell
from greenroom.actors.personal.fields import Personal, Subject

PARTS_MAX = 2_048  # of one upload

Digest = Annotated[str, Meta(pattern="^([0-9a-f]{64})?" + END)]  # SHA-256; "": nobody has said
FileName = Annotated[str, Meta(max_length=200)]
TypeName = Annotated[str, Meta(max_length=100)]
Size = Annotated[int, Meta(ge=1)]


class Part(Struct, frozen=True):
    """Bytes that have come, and the object that has them."""

    name: str
    size: int


class Rendition(Struct, frozen=True, kw_only=True):
    """A file that is served: the original, or what was made of it."""

    name: str
    object: str
    type: str
    size: int  # bytes
    digest: str  # SHA-256
    width: int = 0
    height: int = 0


# What clients may say.


class Publish(Ask[Done], tag="media.publish"):
    """Show everybody what was made of it, or nobody any more. The original stays its owner's."""

    public: bool = True


class TryAgain(Ask[Done], tag="media.try_again"):
    """Where its jobs have failed: once more. Nothing of it has to be sent again."""


class Delete(Ask[Done], tag="media.delete"):
    """Forget it, whatever it is at, with all of its files."""


# What the edge and other entities say.


class Standing(Struct, frozen=True):
    """How far an upload is."""

    state: str
    size: int
    offset: int
    expires_ms: int  # Unix: unless it grows


class Begin(Ask[Done], tag="media.begin"):
    """An upload for which there is room. Again is no harm."""

    owner: Subject
    size: Size
    made_max: int  # bytes of all that may be made of it
    unfinished_s: float
    name: Personal[str] = ""
    said: str = ""  # the Content-Type, as its sender says
    digest: str = ""  # of the whole, as its sender says


class HowFar(Ask[Standing], tag="media.how_far"):
    """How far is it?"""


class Receive(Ask[Standing], tag="media.receive"):
    """These have come, in this order, from `offset` on."""

    offset: Annotated[int, Meta(ge=0)]
    parts: list[Part]


class Found(Struct, frozen=True):
    """A file to serve."""

    rendition: Rendition
    is_public: bool
    file_name: str = ""  # that it was sent under


class Find(Ask[Found], tag="media.find"):
    """The file of that name. `to_share`: for others, by a link."""

    name: Annotated[str, Meta(max_length=50)]
    to_share: bool = False


class Expire(Tell, tag="media.expire"):
    """To itself: has it come on?"""


class LookAtJob(Tell, tag="media.look_at_job"):
    """To itself: how far is the job?"""


# Of `uploads:USER`.


class Reserve(Ask[Done], tag="uploads.reserve"):
    """Room for an upload, which is begun with it."""

    media: str
    size: Size
    made_max: int  # bytes of all that may be made of it, for which there is to be room too
    unfinished_s: float
    uploads_max: int
    bytes_max: int
    name: FileName = ""
    said: TypeName = ""
    digest: Digest = ""


class Settle(Tell, tag="uploads.settle"):
    """An upload is no longer unfinished; so many bytes are kept of it, or may yet be. 0: nothing."""

    media: str
    size: int


class Clear(Ask[Done], tag="uploads.clear"):
    """Delete all that the user has uploaded."""
