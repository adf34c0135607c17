"""What media remember, and show."""

from msgspec import Struct, field

from greenroom.actors.media.events import (
    Begun,
    Checked,
    Deleted,
    File,
    JobFailed,
    Published,
    Ready,
    Received,
    Rejected,
    Resumed,
    Uploaded,
    file_of,
)
from greenroom.actors.media.messages import Part, Rendition
from greenroom.actors.personal.fields import Personal, Subject

# What it is at. "": there is none of that name.
UPLOADING, CHECKING, WORKING, READY, FAILED, REFUSED, DELETED = (
    "uploading",
    "checking",
    "working",
    "ready",
    "failed",
    "refused",
    "deleted",
)

FAILED_S = 7 * 86_400.0  # that the files of one are kept whose jobs have failed, until somebody has it tried again

MediaEvent = Begun | Received | Uploaded | Checked | Ready | JobFailed | Resumed | Rejected | Published | Deleted


class MediaState(Struct):
    """One upload, and what was made of it."""

    state: str = ""
    owner: Subject = ""
    name: Personal[str] = ""
    said: str = ""  # the Content-Type, as its sender has said
    digest: str = ""  # likewise
    size: int = 0
    made_max: int = 0  # bytes of all that is made of it
    offset: int = 0
    unfinished_s: float = 0.0
    grown_ms: int = 0  # Unix: when it last grew, or failed
    parts: list[Part] = field(default_factory=list)
    job: str = ""
    original: Rendition | None = None
    seconds: float = 0.0  # that it plays
    renditions: list[Rendition] = field(default_factory=list)
    public: bool = False
    reason: str = ""
    detail: str = ""

    @property
    def files(self) -> list[Rendition]:
        """All that are kept of it, once it is ready."""
        return [*self.renditions, self.original] if self.original is not None else []

    @property
    def room(self) -> int:
        """Bytes, of its own and of what is made of it."""
        return self.size + self.made_max

    @property
    def expires_ms(self) -> int:
        return self.grown_ms + int((FAILED_S if self.state == FAILED else self.unfinished_s) * 1000)


class MediaView(Struct, kw_only=True, omit_defaults=True):
    """What its watchers see: everybody, once it is public."""

    state: str
    type: str
    size: int
    offset: int
    public: bool
    job: str = ""  # the newest: `job:ID` is its channel
    seconds: float = 0.0
    original: File | None = None
    renditions: list[File] = field(default_factory=list)
    reason: str = ""
    detail: str = ""


def view_of(state: MediaState) -> MediaView:
    return MediaView(
        state=state.state,
        type=state.original.type if state.original is not None else state.said,
        size=state.size,
        offset=state.offset,
        public=state.public,
        job=state.job,
        seconds=state.seconds,
        original=file_of(state.original) if state.original is not None else None,
        renditions=[file_of(one) for one in state.renditions],
        reason=state.reason,
        detail=state.detail,
    )


def change(state: MediaState, event: MediaEvent, at_ms: int) -> None:
    """By one event."""
    match event:
        case Begun():
            state.state, state.owner, state.name = UPLOADING, event.owner, event.name
            state.said, state.digest, state.size = event.said, event.digest, event.size
            state.made_max = event.made_max
            state.unfinished_s, state.grown_ms = event.unfinished_s, at_ms
        case Received():
            state.offset, state.grown_ms = event.offset, at_ms
            state.parts.extend(event.parts)
        case Uploaded():
            state.state, state.job = CHECKING, event.job
        case Checked():
            state.state, state.job, state.original = WORKING, event.job, event.original
            state.seconds, state.parts = event.seconds, []
        case Ready():
            state.state, state.renditions = READY, event.renditions
        case JobFailed():
            state.state, state.grown_ms = FAILED, at_ms
        case Resumed():
            state.state, state.job = (CHECKING if state.original is None else WORKING), event.job
        case Rejected():
            _let_go(state, REFUSED, event.reason, event.detail)
        case Published():
            state.public = event.public
        case Deleted():
            _let_go(state, DELETED, event.reason, "")


def _let_go(state: MediaState, to: str, reason: str, detail: str) -> None:
    state.state, state.reason, state.detail = to, reason, detail
    state.parts, state.renditions, state.original, state.public = [], [], None, False
