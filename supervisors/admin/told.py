"""What nodes tell one another for those who look: a question, and what a node knows of itself or of an entity.

JSON within a frame of the links (correspondence/questions.py). Fields are only ever added, with defaults.
"""

import msgspec
from msgspec import Raw, Struct

KINDS_MAX = 100  # kinds that are told apart
QUEUES_MAX = 500  # awake on one node, that are told of
NAMED_MAX = 10  # mailboxes and slow consumers that are named
STATE_BYTES_MAX = 256 << 10  # of an entity's state
NO_STATE = Raw(b"null")  # not asked for, or too long


class AboutNode(Struct, frozen=True, tag="node"):
    """How are you?"""


class AboutEntity(Struct, frozen=True, tag="entity"):
    """What do you have in memory of it? With `state`, its state too; with `traces`, collect its spans for a while."""

    entity: str
    state: bool = False
    traces: bool = False


class AboutMetrics(Struct, frozen=True, tag="metrics"):
    """What have you counted? Answered with Prometheus text."""


class AboutViews(Struct, frozen=True, tag="views"):
    """What have you folded and delivered?"""


class AboutQueues(Struct, frozen=True, tag="queues"):
    """Which queues are awake with you, and how are they?"""


class DeepMailbox(Struct, frozen=True):
    """An entity that is behind."""

    entity: str
    messages: int
    bytes: int
    age_s: float | None  # of the message that has waited longest


class SlowConsumer(Struct, frozen=True):
    """A client that takes less than there is for it."""

    peer: str  # its address
    bytes: int
    waited_s: float


class Moved(Struct, frozen=True):
    """Shards that changed hands by this node's doing."""

    at_ms: int
    cause: str
    shards: int
    former: str | None  # node
    owner: str | None
    seconds: float


class Failed(Struct, frozen=True):
    """Something went wrong with an entity."""

    at_ms: int
    entity: str
    what: str  # restarted, failed, damaged
    error: str


class NodeTold(Struct, frozen=True, kw_only=True):
    """A node, of itself. Counters only rise: whoever asks twice has the rate."""

    node: str
    at_s: float  # its own clock, for rates
    started_at_ms: int
    version: str
    serving: bool
    memory_bytes: int
    awake: int
    kinds: dict[str, int]  # awake, by kind
    deepest: list[DeepMailbox]  # the deepest first
    mailbox_depth: int
    connections: int
    subscriptions: int
    slow: list[SlowConsumer]  # those that have waited longest first
    slow_count: int
    queue_bytes: int
    outbox_waiting: int
    timers_overdue: int
    letters_stored: int  # of the whole cluster, as of its last look
    counters: dict[str, float]
    lag: list[int]  # counts of `durations()`
    commits: list[int]  # likewise
    links: dict[str, str]  # other nodes, and how the link to them is
    moves: list[Moved]  # the newest first
    failures: list[Failed]  # likewise


class ViewsTold(Struct, frozen=True, kw_only=True):
    """A node, of the tables of views and the sinks that it keeps up, each by `standings 1`: name and version."""

    node: str
    at_s: float  # its own clock, for rates
    started_at_ms: int
    events: dict[str, int] = {}  # folded or delivered since it started
    resting: list[str] = []  # sinks that wait for the other side


class QueueTold(Struct, frozen=True, kw_only=True):
    """A queue that is awake."""

    queue: str
    waiting: int
    later: int  # their time has not come, those that are tried again among them
    retrying: int  # among these
    active: int
    oldest_s: float  # what has waited longest
    workers: int
    paused: bool = False
    paused_until_ms: int | None = None
    limited: bool = False


class QueuesTold(Struct, frozen=True, kw_only=True):
    """A node, of its queues."""

    node: str
    at_s: float  # its own clock, for rates
    started_at_ms: int
    queues: list[QueueTold] = []  # those with most to do first
    ended: dict[str, dict[str, int]] = {}  # since it started: by queue, by outcome


class Span(Struct, frozen=True):
    """One of a trace."""

    trace: str
    name: str
    at_ms: int
    seconds: float
    outcome: str = ""


class EntityTold(Struct, frozen=True, kw_only=True):
    """A node, of an entity that may be awake on it."""

    node: str
    owns: bool
    awake: bool
    departing: bool = False  # its shard is on its way to another node
    down_s: float = 0.0  # so long it is still kept down, since it failed
    epoch: str = ""
    offset: int | None = None  # as of its memory
    fence: int | None = None
    idle_s: float | None = None  # since it took a message
    waits: int = 0  # messages in its mailbox
    waits_bytes: int = 0
    waits_s: float | None = None
    flights: int = 0  # bursts whose commit is awaited
    suspects: int = 0  # messages that are handled one by one, since one of them is to blame
    restarts: int = 0  # that still count
    timers: int = 0
    watchers: dict[str, int] = {}  # connections that watch, by node
    failures: list[Failed] = []
    state: Raw = NO_STATE  # JSON
    state_is_long: bool = False
    spans: list[Span] = []


Question = AboutNode | AboutEntity | AboutMetrics | AboutViews | AboutQueues
decode_question = msgspec.json.Decoder(AboutNode | AboutEntity | AboutMetrics | AboutViews | AboutQueues).decode
decode_node = msgspec.json.Decoder(NodeTold).decode
decode_views = msgspec.json.Decoder(ViewsTold).decode
decode_queues = msgspec.json.Decoder(QueuesTold).decode
decode_entity = msgspec.json.Decoder(EntityTold).decode
