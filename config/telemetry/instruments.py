"""What is counted: plain ints that the rest of a node raises in passing, read when somebody asks for `/metrics`.

`instruments.activations += 1` costs 30 ns, an OpenTelemetry counter a hundred times that; docs/inside/decisions/0003
has the figures. One `Instruments` a node, handed to constructors like a config section. It belongs to the node's one
thread.

| metric | kind | unit | labels | what |
|---|---|---|---|---|
| greenroom_connections | gauge | | | live connections of clients |
| greenroom_connects | counter | | | connections accepted |
| greenroom_refused_connects | counter | | | connections refused by admission limits |
| greenroom_slow_disconnects | counter | | | clients disconnected because they did not keep up |
| greenroom_subscriptions | gauge | | | subscriptions of all connections |
| greenroom_commands | counter | | kind, command, outcome | commands answered; outcome is ok or the error's name |
| greenroom_mailbox_depth | gauge | | | messages waiting in all mailboxes |
| greenroom_mailbox_age | gauge | s | | age of the oldest message waiting in a mailbox |
| greenroom_awake | gauge | | | actors awake |
| greenroom_activations | counter | | | actors woken |
| greenroom_passivations | counter | | | actors put to sleep |
| greenroom_restarts | counter | | | actors and services restarted after a crash |
| greenroom_dead_letters | counter | | | messages given up and kept as dead letters |
| greenroom_dead_letters_stored | gauge | | | dead letters in the store, as of the last look |
| greenroom_commit_batch_events | histogram | | | events in one commit |
| greenroom_commit | histogram | s | | time from handing a batch to the store to its outcome |
| greenroom_commit_failures | counter | | | batches whose commit failed or had an unknown outcome |
| greenroom_fenced_appends | counter | | | appends refused because a newer owner has the entity |
| greenroom_fanout_batch | histogram | | | publications in one flush of a topic |
| greenroom_fanout | histogram | s | | time to hand one flush to all subscribers of a topic |
| greenroom_deliveries | counter | | | publications handed to subscribers |
| greenroom_outbox_waiting | gauge | | | messages on their way between entities |
| greenroom_outbox_delivered | counter | | | messages between entities that were handled |
| greenroom_outbox_retries | counter | | | pauses because a message could not be handled yet |
| greenroom_timers_overdue | gauge | | | durable timers more than a second late, as of the last look |
| greenroom_queue | gauge | By | | bytes queued for clients that read slowly |
| greenroom_loop_lag | histogram | s | | how much later than asked the event loop woke us |
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

Number = int | float
Labelled = tuple[Mapping[str, str], Number]
Reading = Number | Iterable[Labelled]  # one value, or one for each set of labels

_OTHER: Final = "other"
_DURATION_FIRST_S: Final = 0.0001  # 0.1 ms; doubling 18 times reaches 13 s
_DURATION_BUCKETS: Final = 18
_BATCH_BUCKETS: Final = 15  # 1, 2, 4 ... 16384


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


def _nothing() -> int:
    return 0


class Instruments:
    """The numbers of one node; see the module's table. Attributes are public and plain on purpose."""

    def __init__(self, *, commands_max: int = 1000) -> None:
        # Levels: whoever raises one lowers it again.
        self.connections = 0
        self.subscriptions = 0
        self.awake = 0
        self.dead_letters_stored = 0
        # Counts since the start.
        self.connects = 0
        self.refused_connects = 0
        self.slow_disconnects = 0
        self.activations = 0
        self.passivations = 0
        self.restarts = 0
        self.dead_letters = 0
        self.commit_failures = 0
        self.fenced_appends = 0
        self.deliveries = 0
        self.commands: dict[tuple[str, str, str], int] = {}  # (kind, command, outcome); add with count_command
        self._commands_max = commands_max
        # Distributions.
        self.commit_batch_events = batch_sizes()
        self.commit_s = durations()
        self.fanout_batch = batch_sizes()
        self.fanout_s = durations()
        self.loop_lag_s = durations()
        # Looked at when asked: the part that knows sets its own function here.
        self.mailbox_depth: Callable[[], int] = _nothing  # messages
        self.mailbox_age_s: Callable[[], float] = _nothing
        self.queue_bytes: Callable[[], int] = _nothing
        self.outbox_waiting: Callable[[], int] = _nothing  # messages
        self.outbox_delivered: Callable[[], int] = _nothing
        self.outbox_retries: Callable[[], int] = _nothing
        self.timers_overdue: Callable[[], int] = _nothing

    def count_command(self, kind: str, command: str, outcome: str, count: int = 1) -> None:
        """`outcome` is "ok" or an error's wire name. Peers choose kind and command, and each new triple costs memory
        here and in every scrape: past `commands_max` triples, new ones are counted together as "other"."""
        key = (kind, command, outcome)
        try:
            self.commands[key] += count
        except KeyError:
            if len(self.commands) >= self._commands_max:
                key = (_OTHER, _OTHER, _OTHER)
            self.commands[key] = self.commands.get(key, 0) + count


class Metric(Struct, frozen=True):
    """One row of the table: how an instrument is called outside, and how it is read."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    read: Callable[[], Reading] | Histogram
    unit: str = ""  # UCUM, as OpenTelemetry wants it: s, By


def metrics_of(instruments: Instruments) -> list[Metric]:
    """Every metric of a node, in the order of the module's table."""
    i = instruments

    def commands() -> list[Labelled]:
        return [
            ({"kind": kind, "command": command, "outcome": outcome}, count)
            for (kind, command, outcome), count in i.commands.items()
        ]

    return [
        Metric("greenroom_connections", "gauge", "live connections of clients", lambda: i.connections),
        Metric("greenroom_connects", "counter", "connections accepted", lambda: i.connects),
        Metric(
            "greenroom_refused_connects",
            "counter",
            "connections refused by admission limits",
            lambda: i.refused_connects,
        ),
        Metric(
            "greenroom_slow_disconnects",
            "counter",
            "clients disconnected because they did not keep up",
            lambda: i.slow_disconnects,
        ),
        Metric("greenroom_subscriptions", "gauge", "subscriptions of all connections", lambda: i.subscriptions),
        Metric("greenroom_commands", "counter", "commands answered; outcome is ok or the error's name", commands),
        Metric("greenroom_mailbox_depth", "gauge", "messages waiting in all mailboxes", lambda: i.mailbox_depth()),
        Metric(
            "greenroom_mailbox_age",
            "gauge",
            "age of the oldest message waiting in a mailbox",
            lambda: i.mailbox_age_s(),
            "s",
        ),
        Metric("greenroom_awake", "gauge", "actors awake", lambda: i.awake),
        Metric("greenroom_activations", "counter", "actors woken", lambda: i.activations),
        Metric("greenroom_passivations", "counter", "actors put to sleep", lambda: i.passivations),
        Metric("greenroom_restarts", "counter", "actors and services restarted after a crash", lambda: i.restarts),
        Metric(
            "greenroom_dead_letters",
            "counter",
            "messages given up and kept as dead letters",
            lambda: i.dead_letters,
        ),
        Metric(
            "greenroom_dead_letters_stored",
            "gauge",
            "dead letters in the store, as of the last look",
            lambda: i.dead_letters_stored,
        ),
        Metric("greenroom_commit_batch_events", "histogram", "events in one commit", i.commit_batch_events),
        Metric(
            "greenroom_commit",
            "histogram",
            "time from handing a batch to the store to its outcome",
            i.commit_s,
            "s",
        ),
        Metric(
            "greenroom_commit_failures",
            "counter",
            "batches whose commit failed or had an unknown outcome",
            lambda: i.commit_failures,
        ),
        Metric(
            "greenroom_fenced_appends",
            "counter",
            "appends refused because a newer owner has the entity",
            lambda: i.fenced_appends,
        ),
        Metric("greenroom_fanout_batch", "histogram", "publications in one flush of a topic", i.fanout_batch),
        Metric(
            "greenroom_fanout",
            "histogram",
            "time to hand one flush to all subscribers of a topic",
            i.fanout_s,
            "s",
        ),
        Metric("greenroom_deliveries", "counter", "publications handed to subscribers", lambda: i.deliveries),
        Metric(
            "greenroom_outbox_waiting", "gauge", "messages on their way between entities", lambda: i.outbox_waiting()
        ),
        Metric(
            "greenroom_outbox_delivered",
            "counter",
            "messages between entities that were handled",
            lambda: i.outbox_delivered(),
        ),
        Metric(
            "greenroom_outbox_retries",
            "counter",
            "pauses because a message could not be handled yet",
            lambda: i.outbox_retries(),
        ),
        Metric(
            "greenroom_timers_overdue",
            "gauge",
            "durable timers more than a second late, as of the last look",
            lambda: i.timers_overdue(),
        ),
        Metric("greenroom_queue", "gauge", "bytes queued for clients that read slowly", lambda: i.queue_bytes(), "By"),
        Metric(
            "greenroom_loop_lag", "histogram", "how much later than asked the event loop woke us", i.loop_lag_s, "s"
        ),
    ]
