"""What has happened to media. Objects' names are the storage's and ours: watchers see none."""

from msgspec import Struct

from greenroom.actors.media.messages import Part, Rendition
from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal, Subject


class Begun(Event, tag="media.begun"):
    """There is room for an upload."""

    owner: Subject
    size: int
    made_max: int
    unfinished_s: float
    name: Personal[str] = ""
    said: str = ""
    digest: str = ""


class Received(Event, tag="media.received"):
    """More of it has come; `offset` is how far it is now."""

    offset: int
    parts: list[Part]


class Uploaded(Event, tag="media.uploaded"):
    """It is whole, and a job looks at what it is."""

    job: str


class Checked(Event, tag="media.checked"):
    """It is what it is to be, and a job works on it."""

    job: str
    original: Rendition
    seconds: float = 0.0


class Ready(Event, tag="media.ready"):
    """It can be shown."""

    renditions: list[Rendition]


class Rejected(Event, tag="media.refused"):
    """It can't: `reason` is the rule."""

    reason: str
    detail: str


class JobFailed(Event, tag="media.failed"):
    """Its job has failed all of its attempts. That says nothing of the file, which is kept for a while."""


class Resumed(Event, tag="media.resumed"):
    """It is tried again, by another job."""

    job: str


class Published(Event, tag="media.published"):
    """Everybody may see it, or nobody any more."""

    public: bool


class Deleted(Event, tag="media.deleted"):
    """It is gone, with its files. `reason`: "" by its owner, `expired` unfinished, or failed and left so."""

    reason: str = ""


class BegunShown(Struct, frozen=True, tag_field="type", tag="media.begun"):
    """As watchers see it, who may be everybody later: whose it is, and what it was called there, is not for them."""

    size: int


class ReceivedShown(Struct, frozen=True, tag_field="type", tag="media.received"):
    """As watchers see it."""

    offset: int


class File(Struct, frozen=True, kw_only=True):
    """A rendition, as it is shown."""

    name: str
    type: str
    size: int
    width: int
    height: int


class CheckedShown(Struct, frozen=True, tag_field="type", tag="media.checked"):
    """As watchers see it."""

    job: str
    original: File
    seconds: float


class ReadyShown(Struct, frozen=True, tag_field="type", tag="media.ready"):
    """As watchers see it."""

    renditions: list[File]


class Progress(Struct, frozen=True, tag_field="type", tag="media.progress"):
    """Ephemeral: how far its job is."""

    job: str
    share: float
    note: str


def file_of(rendition: Rendition) -> File:
    return File(
        name=rendition.name,
        type=rendition.type,
        size=rendition.size,
        width=rendition.width,
        height=rendition.height,
    )
