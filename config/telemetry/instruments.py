"""What is counted: plain ints that the rest of a node raises in passing, read when somebody asks for `/metrics`.

`instruments.activations += 1` costs 30 ns, an OpenTelemetry counter a hundred times that; docs/inside/decisions/0003
has the figures. One `Instruments` a node, handed to constructors like a config section. It belongs to the node's one
thread.

Each metric is stated once, here, as the annotation of a field: kind, meaning, when to look at it. Its name outside is
`greenroom_` and the field's, whose last part is the unit (`commit_s` is greenroom_commit_seconds). `exporters.py` makes
the export of them, `greenroom.config.reference` the page docs/reference/metrics.md.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

Number = int | float
Labelled = tuple[Mapping[str, str], Number]
Reading = Number | Iterable[Labelled]  # one value, or one for each set of labels

PREFIX: Final = "greenroom_"
_UNITS: Final = {"s": "s", "bytes": "By"}  # last part of a field's name -> UCUM, as OpenTelemetry wants it
_SHOWN_UNITS: Final = {"s": "_seconds", "By": "_bytes", "": ""}  # Prometheus wants units spelled out
OTHER: Final = "other"  # in place of a name that a peer chose and nobody installed
_DURATION_FIRST_S: Final = 0.0001  # 0.1 ms; doubling 18 times reaches 13 s
_DURATION_BUCKETS: Final = 18
_BATCH_BUCKETS: Final = 15  # 1, 2, 4 ... 16384


@dataclass(frozen=True)
class Metric:
    """What a field measures: the annotation that makes a metric of it."""

    kind: Literal["counter", "gauge", "histogram"]
    what: str  # what it counts: the HELP line of a scrape
    look: str = ""  # what makes it worth a look: a cell of the metrics page
    labels: tuple[str, ...] = ()


class Histogram:
    """Counts in exponential buckets: bucket `i` holds values <= `bounds[i]`, the last one all above.

    `record` is a bisect and two additions, at most 0.3 µs, and allocates nothing that lives on.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, *, first: float, factor: float = 2.0, buckets: int) -> None:
        assert first > 0 and factor > 1 and buckets > 0
        self.bounds: tuple[float, ...] = tuple(first * factor**power for power in range(buckets))
        self.counts = [0] * (buckets + 1)
        self.sum = 0.0

    def record(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def record_many(self, value: float, times: int) -> None:
        """The same value so often."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The bound under which `share` (0..1) of the values lie: right within one bucket. 0.0 when empty, the
        highest bound when the value lies above all."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen and seen >= wanted:
                return bound
        return self.bounds[-1] if self.count else 0.0


def durations() -> Histogram:
    """For seconds: 0.1 ms to 13 s."""
    return Histogram(first=_DURATION_FIRST_S, buckets=_DURATION_BUCKETS)


def batch_sizes() -> Histogram:
    """For counts: 1 to 16,384."""
    return Histogram(first=1.0, buckets=_BATCH_BUCKETS)


@dataclass(slots=True, kw_only=True)
class Instruments:
    """The numbers that a node raises in passing. Whoever raises a gauge lowers it again; counters only rise."""

    connections: Annotated[
        int, Metric("gauge", "live connections of clients, event streams among them", look="it falls at once")
    ] = 0
    subscriptions: Annotated[
        int, Metric("gauge", "subscriptions of all connections, event streams among them", look="it falls at once")
    ] = 0
    connects: Annotated[int, Metric("counter", "connections accepted")] = 0
    refused_connects: Annotated[
        int,
        Metric("counter", "connections refused by admission limits", look="it rises: a storm, or limits too low"),
    ] = 0
    silent_nodes: Annotated[
        int,
        Metric(
            "gauge",
            "nodes at the same address that did not answer the last scrape of it, and are missing from that",
            look="it stays above 0: a node of `serve --nodes` is away, or can't be reached by the others",
        ),
    ] = 0
    refused_pages: Annotated[
        int,
        Metric("counter", "requests for pages answered 503: too many at once", look="it rises: probes may fail"),
    ] = 0
    refused_requests: Annotated[
        dict[tuple[str], int],
        Metric(
            "counter",
            "HTTP requests refused before they were a command: malformed, too long, too slow, of a page from elsewhere",
            labels=("status",),
        ),
    ] = field(default_factory=dict)
    disconnects: Annotated[
        dict[tuple[str], int],
        Metric("counter", "connections of the client protocol that this node has ended", labels=("code",)),
    ] = field(default_factory=dict)
    slow_disconnects: Annotated[
        int,
        Metric(
            "counter",
            "clients disconnected because they did not keep up",
            look="it rises for many: the network, or queues too short",
        ),
    ] = 0
    commands: Annotated[
        dict[tuple[str, str, str], int],  # counts by (kind, command, outcome); raise one with count_command
        Metric(
            "counter",
            "commands answered; outcome is ok or the error's name",
            look="`overloaded`, `unavailable`, `internal` or `deadline_exceeded` among the outcomes",
            labels=("kind", "command", "outcome"),
        ),
    ] = field(default_factory=dict)
    turned_away_reads: Annotated[
        int, Metric("counter", "commands answered `overloaded` before they read views: too many did")
    ] = 0
    awake: Annotated[int, Metric("gauge", "actors awake")] = 0
    activations: Annotated[
        int, Metric("counter", "actors woken", look="it nears the commands: idle times too short")
    ] = 0
    passivations: Annotated[int, Metric("counter", "actors put to sleep")] = 0
    restarts: Annotated[int, Metric("counter", "actors and services restarted after a crash", look="ever")] = 0
    dead_letters: Annotated[int, Metric("counter", "messages given up and kept as dead letters", look="ever")] = 0
    dead_letters_stored: Annotated[
        int,
        Metric("gauge", "dead letters in the store, as of the last look", look="above zero: somebody has to decide"),
    ] = 0
    commit_batch_events: Annotated[Histogram, Metric("histogram", "events in one commit")] = field(
        default_factory=batch_sizes
    )
    commit_s: Annotated[
        Histogram,
        Metric(
            "histogram",
            "time from handing a batch to the store to its outcome",
            look="slow: the disk or the database",
        ),
    ] = field(default_factory=durations)
    commit_failures: Annotated[
        int,
        Metric(
            "counter",
            "batches whose commit failed or had an unknown outcome",
            look="it rises: the database went away",
        ),
    ] = 0
    fenced_appends: Annotated[
        int,
        Metric(
            "counter",
            "appends refused because a newer owner has the entity",
            look="it rises without a failover: this node is taken for dead by another one",
        ),
    ] = 0
    fanout_batch: Annotated[Histogram, Metric("histogram", "publications in one flush of a topic")] = field(
        default_factory=batch_sizes
    )
    fanout_s: Annotated[Histogram, Metric("histogram", "time to hand one flush to all subscribers of a topic")] = field(
        default_factory=durations
    )
    deliveries: Annotated[int, Metric("counter", "publications handed to subscribers")] = 0
    bus_frames_sent: Annotated[int, Metric("counter", "frames that left for other nodes, each once")] = 0
    bus_frames_received: Annotated[int, Metric("counter", "frames of other nodes that were handed on")] = 0
    bus_entries_sent: Annotated[
        int,
        Metric(
            "counter",
            "entries put into other nodes' streams, of many frames or of an acknowledgement",
            look="it nears the frames: nothing gathers, so each frame pays for an entry",
        ),
    ] = 0
    bus_entries_received: Annotated[int, Metric("counter", "entries read from this node's stream")] = 0
    bus_entries_resent: Annotated[
        int,
        Metric("counter", "entries sent again since they were lost", look="it rises: Redis loses or evicts streams"),
    ] = 0
    bus_entries_refused: Annotated[
        int,
        Metric(
            "counter", "entries that this node can't read", look="ever: another release, or a stranger in this Redis"
        ),
    ] = 0
    bus_sent_bytes: Annotated[int, Metric("counter", "bytes of entries put into other nodes' streams")] = 0
    bus_received_bytes: Annotated[int, Metric("counter", "bytes of entries read from this node's stream")] = 0
    bus_queued_bytes: Annotated[
        int,
        Metric(
            "gauge",
            "bytes that wait for other nodes or are unacknowledged, as of a tenth of a second ago",
            look="it nears GREENROOM_BUS_QUEUE_BYTES_MAX: a node is behind, or Redis away",
        ),
    ] = 0
    bus_parted: Annotated[
        int,
        Metric(
            "counter",
            "links to other nodes that began anew, or ended with the node",
            look="it rises with no node gone: nodes stand still, or Redis does",
        ),
    ] = 0
    loop_lag_s: Annotated[
        Histogram,
        Metric(
            "histogram",
            "how much later than asked the event loop woke us",
            look="above 50 ms: the node is out of CPU, or a handler computes too long",
        ),
    ] = field(default_factory=durations)
    remote_messages: Annotated[int, Metric("counter", "messages sent to entities on other nodes")] = 0
    remote_repeats: Annotated[
        int,
        Metric(
            "counter",
            "of those, sent again: their entity had moved, or a link between nodes had parted",
            look="it rises while no node comes or goes: nodes disagree about who owns what, or links part",
        ),
    ] = 0
    frames_unreadable: Annotated[
        int,
        Metric(
            "counter",
            "frames of other nodes that could not be read",
            look="ever: another node's release is too far from this one's",
        ),
    ] = 0
    frames_of_newer_releases: Annotated[
        int,
        Metric(
            "counter",
            "frames of other nodes that this release does not know and may do without: passed over, or refused",
            look="it rises when no release is rolled out: this node was left behind",
        ),
    ] = 0
    gaps_filled: Annotated[
        int,
        Metric("counter", "gaps in what is watched of other nodes' entities, filled from the journal"),
    ] = 0
    # Of each table of a view that this node fills, by (view, version).
    view_events: Annotated[
        dict[tuple[str, str], int],
        Metric("counter", "events folded into views by this node", labels=("view", "version")),
    ] = field(default_factory=dict)
    view_rows: Annotated[
        dict[tuple[str, str], int],
        Metric("counter", "rows of views written or removed by this node", labels=("view", "version")),
    ] = field(default_factory=dict)
    view_skips: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "counter",
            "appends that were to write the row of an inline view, and have left it to its runner",
            labels=("view", "version"),
        ),
    ] = field(default_factory=dict)
    view_parks: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "counter",
            "entities parked, since a view could not fold their next event",
            look="ever: `greenroom views` says why",
            labels=("view", "version"),
        ),
    ] = field(default_factory=dict)
    view_waiting: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "gauge",
            "entities with events that this node has yet to fold, as far as it knows",
            look="it rises: a view is slower than its events come, or paused",
            labels=("view", "version"),
        ),
    ] = field(default_factory=dict)
    view_lag_s: Annotated[
        dict[tuple[str, str], float],
        Metric(
            "gauge",
            "from the recording of the oldest event of the last batch until it was in the rows",
            look="above a second, but while a table is filled: as above",
            labels=("view", "version"),
        ),
    ] = field(default_factory=dict)
    sink_failures: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "counter",
            "batches that could not be delivered to a sink: tried again, or what they hold parked",
            look="it rises for long: the other side is away or refuses; `sink_rests` in the log says why",
            labels=("view", "version"),
        ),
    ] = field(default_factory=dict)
    sink_resting: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "gauge",
            "1 while a sink waits for the other side to come back",
            look="1 for minutes: nothing is delivered, and retention keeps what is not",
            labels=("view", "version"),
        ),
    ] = field(default_factory=dict)
    commands_max: int = 1000  # different (kind, command, outcome) that are told apart

    def count_refused_request(self, status: int) -> None:
        label = (str(status),)
        self.refused_requests[label] = self.refused_requests.get(label, 0) + 1

    def count_disconnect(self, code: int) -> None:
        """`code`: one of ours, or one that an entity has chosen to kick with; no peer can."""
        label = (str(code),)
        self.disconnects[label] = self.disconnects.get(label, 0) + 1

    def count_command(self, kind: str, command: str, outcome: str, count: int = 1) -> None:
        """`outcome` is "ok" or an error's wire name. Peers choose kind and command, and each new triple costs memory
        here and in every scrape: past `commands_max` triples, new ones are counted together as "other"."""
        key = (kind, command, outcome)
        try:
            self.commands[key] += count
        except KeyError:
            if len(self.commands) >= self.commands_max:
                key = (OTHER, OTHER, OTHER)
            self.commands[key] = self.commands.get(key, 0) + count


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is looked up when asked, each by a function of the part that knows: given to `Telemetry.observe`."""

    mailbox_depth: Annotated[Callable[[], int], Metric("gauge", "messages waiting in all mailboxes")]
    mailbox_age_s: Annotated[
        Callable[[], float],
        Metric("gauge", "age of the oldest message waiting in a mailbox", look="above a second: an entity is behind"),
    ]
    queue_bytes: Annotated[
        Callable[[], int],
        Metric("gauge", "bytes queued for clients that read slowly", look="it nears the node's memory"),
    ]
    replies_bytes: Annotated[
        Callable[[], int], Metric("gauge", "replies to commands with an id that awake entities remember, about")
    ]
    tails_bytes: Annotated[
        Callable[[], int], Metric("gauge", "last publications of topics, kept for clients that resume, about")
    ]
    snapshots_waiting_bytes: Annotated[Callable[[], int], Metric("gauge", "snapshots that wait to be written")]
    letters_waiting_bytes: Annotated[
        Callable[[], int],
        Metric("gauge", "dead letters that wait to be written", look="it stays above zero: the database is away"),
    ]
    outbox_waiting_bytes: Annotated[Callable[[], int], Metric("gauge", "messages on their way between entities")]
    outbox_waiting: Annotated[Callable[[], int], Metric("gauge", "messages on their way between entities")]
    outbox_delivered: Annotated[Callable[[], int], Metric("counter", "messages between entities that were handled")]
    outbox_retries: Annotated[Callable[[], int], Metric("counter", "pauses because a message could not be handled yet")]
    timers_overdue: Annotated[
        Callable[[], int],
        Metric(
            "gauge",
            "durable timers more than a second late, as of the last look",
            look="it stays above zero: the node is behind, or their entities fail",
        ),
    ]
    log_lines_dropped: Annotated[
        Callable[[], int],
        Metric(
            "counter",
            "lines of the log that nobody took in time, or that could not be written",
            look="it rises: who reads the log is too slow or gone",
        ),
    ]


@dataclass(frozen=True)
class Row:
    """A metric as it is called outside."""

    field: str
    name: str  # OpenTelemetry's name, without the unit
    unit: str  # UCUM: s, By or ""
    metric: Metric

    @property
    def shown(self) -> str:
        """As a scrape has it."""
        return self.name + _SHOWN_UNITS[self.unit] + ("_total" if self.metric.kind == "counter" else "")


def rows_of(section: type[object]) -> Iterator[Row]:
    """Every metric that `section` states, in its order: Instruments, Observed, JobInstruments."""
    for name, hint in get_type_hints(section, include_extras=True).items():
        metric = next((one for one in get_args(hint)[1:] if isinstance(one, Metric)), None)
        if metric is not None:
            stem, _, last = name.rpartition("_")
            unit = _UNITS.get(last, "")
            yield Row(name, PREFIX + (stem if unit else name), unit, metric)


def reading_of(section: object, row: Row) -> Callable[[], Reading] | Histogram | Mapping[tuple[str, ...], Histogram]:
    """How `row` of `section` is read: at each scrape, or as the distribution that it is, or these by their labels."""
    value: Any = getattr(section, row.field)
    if isinstance(value, Histogram):
        return value
    if row.metric.kind == "histogram":
        distributions: Mapping[tuple[str, ...], Histogram] = value
        return distributions
    if row.metric.labels:
        return lambda: _labelled(row.metric.labels, getattr(section, row.field))
    if isinstance(section, Observed):
        look: Callable[[], Number] = getattr(section, row.field)
        return look

    def read() -> Number:
        number: Number = getattr(section, row.field)
        return number

    return read


def _labelled(labels: tuple[str, ...], counts: Mapping[tuple[str, ...], Number]) -> list[Labelled]:
    return [(dict(zip(labels, key, strict=True)), count) for key, count in counts.items()]
