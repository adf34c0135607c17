"""The cluster, as it is shown: each node by its row and what it says, what all say together, and who has moved what."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from greenroom.store.overview.cluster import Change, NodeRow
from greenroom.supervisors.admin.figures import Figures, figures_between, total
from greenroom.supervisors.admin.told import (
    NAMED_MAX,
    DeepMailbox,
    Failed,
    Moved,
    NodeTold,
    SlowConsumer,
)

MOVES_SHOWN = 50
FAILURES_SHOWN = 20
TROUBLE = "the database does not answer"


class NodeShown(Struct, frozen=True, kw_only=True):
    """One node."""

    node: str
    url: str
    version: str
    state: str
    capacity: int
    alone: bool
    shards: int
    lease_left_s: float
    joined_at_ms: int
    answered: bool
    told: NodeTold | None
    figures: Figures | None


class Ended(Struct, frozen=True):
    """A node that is no more."""

    node: str
    url: str
    at_ms: int | None
    why: str


class ChangeShown(Struct, frozen=True):
    """See Change."""

    at_ms: int
    owner: str | None
    cause: str
    shards: int


class DeepOn(Struct, frozen=True):
    """A mailbox, and whose it is."""

    node: str
    mailbox: DeepMailbox


class SlowOn(Struct, frozen=True):
    """A slow consumer, and where it is connected."""

    node: str
    consumer: SlowConsumer


class ClusterShown(Struct, frozen=True, kw_only=True):
    """All of it. Sums are of the nodes that have answered."""

    at_ms: int
    asked: str  # the node that has gathered this
    trouble: str  # the database could not be asked; then rows are as of the last look
    nodes: list[NodeShown]
    ended: list[Ended]
    answered: int
    awake: int
    kinds: dict[str, int]
    connections: int
    subscriptions: int
    mailbox_depth: int
    slow_count: int
    letters_stored: int
    rates: dict[str, float]
    deepest: list[DeepOn]
    slow: list[SlowOn]
    moves: list[Moved]
    changes: list[ChangeShown]
    failures: list[Failed]


def cluster_shown(
    *,
    at_ms: int,
    asked: int,
    trouble: str,
    rows: Sequence[NodeRow],
    changes: Sequence[Change],
    told: Mapping[int, NodeTold],
    before: Mapping[int, NodeTold],
) -> ClusterShown:
    """`before`: what they said a moment ago."""
    alive = [row for row in rows if row.state != "dead"]
    figures = {
        row.incarnation: figures_between(before.get(row.incarnation), told[row.incarnation])
        for row in alive
        if row.incarnation in told
    }
    said = [told[row.incarnation] for row in alive if row.incarnation in told]
    kinds: dict[str, int] = {}
    for one in said:
        for kind, count in one.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    deepest = sorted(((deep, one.node) for one in said for deep in one.deepest), key=lambda pair: -pair[0].messages)
    slow = sorted(((peer, one.node) for one in said for peer in one.slow), key=lambda pair: -pair[0].waited_s)
    return ClusterShown(
        at_ms=at_ms,
        asked=f"{asked:016x}",
        trouble=trouble,
        nodes=[_node(row, told.get(row.incarnation), figures.get(row.incarnation)) for row in alive],
        ended=[
            Ended(f"{row.incarnation:016x}", row.url, row.ended_at_ms, row.why or "")
            for row in rows
            if row.state == "dead"
        ],
        answered=len(said),
        awake=sum(one.awake for one in said),
        kinds=dict(sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))),
        connections=sum(one.connections for one in said),
        subscriptions=sum(one.subscriptions for one in said),
        mailbox_depth=sum(one.mailbox_depth for one in said),
        slow_count=sum(one.slow_count for one in said),
        letters_stored=max((one.letters_stored for one in said), default=0),
        rates=total(list(figures.values())),
        deepest=[DeepOn(node, deep) for deep, node in deepest[:NAMED_MAX]],
        slow=[SlowOn(node, peer) for peer, node in slow[:NAMED_MAX]],
        moves=sorted((move for one in said for move in one.moves), key=lambda move: -move.at_ms)[:MOVES_SHOWN],
        changes=[
            ChangeShown(one.at_ms, None if one.owner is None else f"{one.owner:016x}", one.cause, one.shards)
            for one in changes
        ],
        failures=sorted((one for node in said for one in node.failures), key=lambda one: -one.at_ms)[:FAILURES_SHOWN],
    )


def _node(row: NodeRow, told: NodeTold | None, figures: Figures | None) -> NodeShown:
    return NodeShown(
        node=f"{row.incarnation:016x}",
        url=row.url,
        version=row.version,
        state=row.state,
        capacity=row.capacity,
        alone=row.alone,
        shards=row.shards,
        lease_left_s=round(row.lease_left_s, 1),
        joined_at_ms=row.joined_at_ms,
        answered=told is not None,
        # What is shown of all together is not sent twice.
        told=None if told is None else replace(told, deepest=[], slow=[], moves=[], failures=[], lag=[], commits=[]),
        figures=figures,
    )


def for_viewers(shown: ClusterShown) -> ClusterShown:
    """Without what clients are known by, and without texts of errors: these may hold what people wrote, or hosts."""
    return replace(
        shown,
        trouble=TROUBLE if shown.trouble else "",
        slow=[SlowOn(one.node, replace(one.consumer, peer="")) for one in shown.slow],
        failures=[replace(one, error="") for one in shown.failures],
    )
