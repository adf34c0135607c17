"""The wire form of what nodes say to one another: one frame a struct, MessagePack behind a byte that names the version.

Fields are only ever added at a struct's end, with defaults: an older release passes over what it does not know, a newer
one fills in what is missing. Clocks differ, so a deadline travels as the seconds that are left of it.

Frames are added as well, and each one's tag says for ever what a release does that does not know it. Below HINTS all of
a version know all. A tag of HINTS is passed over: what it says may be lost, and is only late then. One of QUESTIONS
begins with a number of the asker's (Asking), and is answered by a refusal that is for the time being. What answers is
no new frame unless the question was one, so only those hear it who know it.
"""

from typing import Final

import msgspec
from msgspec import Struct

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.envelope import Origin
from greenroom.actors.model.principal import Principal

VERSION: Final = 1
FRAME_BYTES_MAX: Final = 8 << 20  # the largest frame that is sent
HEAD: Final = bytes((VERSION,))

HINTS: Final = range(64, 96)  # tags of frames that are passed over where they are not known
QUESTIONS: Final = range(96, 128)  # and of those that are refused there

MESSAGE, INSPECT = 0, 1  # what a Sent carries


class Undecodable(Exception):
    """It is no frame."""


class OtherVersion(Undecodable):
    """A frame of a version that this release does not know."""


class OfNewerRelease(Undecodable):
    """A frame that this release does not know, and may do without. `question`: the number by which it is answered."""

    def __init__(self, tag: int, question: int | None) -> None:
        super().__init__(f"a frame of a newer release, tag {tag}")
        self.tag = tag
        self.question = question


class Sent(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """An envelope. Its message is JSON with its "type"; of an Inspect that asks for the view alone there is none."""

    number: int  # by which it is answered, rising with each of this sender's; 0: nobody waits for an answer
    entity: str
    what: int
    body: bytes
    principal: Principal | None = None  # None is SYSTEM
    left_s: float | None = None  # until its deadline; None where it has none
    command_id: str | None = None
    digest: int | None = None
    origin: Origin | None = None
    chain: tuple[str, ...] = ()
    trace: str | None = None
    hops: int = 0  # nodes that have passed it on, since they do not own the entity


class Replied(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """The reply, JSON."""

    number: int
    body: bytes


class Seen(Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The answer to an Inspect: an `Inspected`."""

    number: int
    view: bytes
    epoch: str
    offset: int
    fence: int = 0


class Rejected(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A refusal, or why there is no reply: see refusals.py."""

    number: int
    kind: str
    name: str
    status: int
    temporary: bool
    text: str
    detail: str | None = None


class Abandoned(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """Nobody waits for this answer any more."""

    number: int


class NotHeld(Struct, frozen=True, array_like=True, tag=6, gc=False):
    """The entity does not live here, or no longer: that message was not handled."""

    number: int


class Unanswered(Struct, frozen=True, array_like=True, tag=7, gc=False):
    """These were answered, and the answers are lost. None named: those of all that was sent before may be."""

    numbers: list[int]


class Due(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """A durable timer of the entity is due."""

    entity: str


class Feed(Struct, frozen=True, array_like=True, tag=9, gc=False):
    """Tell this node from now on what the entity publishes; these watch it here."""

    entity: str
    watchers: list[Principal]
    listens: bool = False  # some of them want to be told who comes and who leaves
    has_more: bool = False  # others are named after it, one by one


class Unfeed(Struct, frozen=True, array_like=True, tag=10, gc=False):
    """No longer."""

    entity: str


class FeedEnded(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """Something of that feed was lost, or the entity lives here no longer: nothing more comes of it."""

    entity: str  # "" for all feeds of this node


class Watched(Struct, frozen=True, array_like=True, tag=12, gc=False):
    """Somebody began or ceased to watch, on the node that says so."""

    entity: str
    principal: Principal
    joined: bool


class Published(Struct, frozen=True, array_like=True, tag=13, gc=False):
    """A durable event, released."""

    entity: str
    epoch: str
    offset: int
    at_ms: int
    payload: bytes
    info: bytes | None = None


class Shown(Struct, frozen=True, array_like=True, tag=14, gc=False):
    """An ephemeral publication."""

    entity: str
    data: bytes
    key: str


class Kicked(Struct, frozen=True, array_like=True, tag=15, gc=False):
    """Some of those who watch the entity are to stop."""

    entity: str
    kick: Kick


class Began(Struct, frozen=True, array_like=True, tag=16, gc=False):
    """The entity was built from its journal, as far as it then reached."""

    entity: str
    epoch: str
    offset: int


class Owned(Struct, frozen=True, array_like=True, tag=17, gc=False):
    """These shards are that node's now, under these terms."""

    owner: int
    terms: dict[int, int]


class Counted(Struct, frozen=True, array_like=True, tag=18, gc=False):
    """The answer to an Inspect of the audience: an `Attended`."""

    number: int
    clients: int
    users: int
    named: dict[str, bytes] | None
    fence: int = 0


class Listen(Struct, frozen=True, array_like=True, tag=19, gc=False):
    """Somebody of those who watch here wants to be told from now on who comes and who leaves."""

    entity: str


class Roster(Struct, frozen=True, array_like=True, tag=20, gc=False):
    """All who watch on that node, by connection, as far as they have a ClientInfo."""

    entity: str
    node: int
    watchers: dict[str, bytes]
    is_doubtful: bool = False  # as was last known, or as far as can be named: for whoever knows nothing of that node


class Came(Struct, frozen=True, array_like=True, tag=21, gc=False):
    """Somebody began or ceased to watch, on that node."""

    entity: str
    node: int
    client: str
    info: bytes  # ClientInfo, JSON
    joined: bool


class HandedOn(Struct, frozen=True, array_like=True, tag=22, gc=False):
    """The entity is yours now; these watch it, by node, as was last known."""

    entity: str
    watchers: dict[int, list[Principal]]


class Question(Struct, frozen=True, array_like=True, tag=23, gc=False):
    """What an operator wants to know of that node: see questions.py."""

    number: int  # of this sender's questions
    body: bytes


class Told(Struct, frozen=True, array_like=True, tag=24, gc=False):
    """The answer to a Question; empty where there is none."""

    number: int
    body: bytes


class Chased(Struct, frozen=True, array_like=True, tag=25, gc=False):
    """Who began it waits for whoever is asked last, through these asks between nodes and others on single nodes."""

    start: str
    asks: list[tuple[str, str]]  # asker, and whom it asks; the last one lives on the node that is told


class Circular(Struct, frozen=True, array_like=True, tag=26, gc=False):
    """These two wait for one another, through others: the asker is to hear so, instead of an answer."""

    asker: str
    entity: str  # lives on the node that is told


class PagesChanged(Struct, frozen=True, array_like=True, tag=64, gc=False):
    """Rows of a view's pages there have changed, in the table of that number."""

    view: str
    version: int
    rows: dict[str, list[tuple[bytes, int, bytes | None]]]  # by page: key, revision, and the row; None: it was removed


class PagesStale(Struct, frozen=True, array_like=True, tag=65, gc=False):
    """Rows of pages there may have changed otherwise: of a view, or all (""); on these shards, or all (none named)."""

    view: str
    shards: list[int]


class PagesWatched(Struct, frozen=True, array_like=True, tag=66, gc=False):
    """Of these views there are pages on the node that says so, and of no others."""

    views: list[str]


class Nudged(Struct, frozen=True, array_like=True, tag=67, gc=False):
    """To those of these entities that are awake there."""

    entities: list[str]
    body: bytes  # the message, JSON with its "type"


class Left(Struct, frozen=True, array_like=True, tag=68, gc=False):
    """That node handles nothing any more: what it has not answered before this was not handled, nor will be."""


FromAsker = Sent | Abandoned | Due | Chased
FromOwner = Replied | Seen | Counted | Rejected | NotHeld | Unanswered
FromWatcher = Feed | Unfeed | Watched | Listen
FromWatched = Published | Shown | Kicked | Began | FeedEnded
OfAudience = Roster | Came
OfPages = PagesChanged | PagesStale | PagesWatched
BetweenNodes = Owned | HandedOn | Question | Told | OfPages | Nudged | Left
Frame = FromAsker | Circular | FromOwner | FromWatcher | FromWatched | OfAudience | BetweenNodes

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode
_decode_any = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_number = msgspec.msgpack.Decoder(int).decode


def encode(frame: Frame) -> bytes:
    return HEAD + _encode(frame)


def decode(data: bytes) -> Frame:
    """Raises: OtherVersion, OfNewerRelease, Undecodable."""
    if not data:
        raise Undecodable("an empty frame")
    if data[:1] != HEAD:
        raise OtherVersion(f"version {data[0]}, and this node speaks {VERSION}")
    try:
        frame: Frame = _decode(memoryview(data)[1:])
        return frame
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _newer(data) or Undecodable(str(error)) from None


def _newer(data: bytes) -> OfNewerRelease | None:
    """None where it is none of those of which it is known what to do without knowing them."""
    try:
        fields = _decode_any(memoryview(data)[1:])
        tag = _decode_number(fields[0]) if fields else 0
        if tag in HINTS:
            return OfNewerRelease(tag, None)
        return OfNewerRelease(tag, _decode_number(fields[1])) if tag in QUESTIONS and len(fields) > 1 else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
