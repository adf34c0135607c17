"""Why an entity is on the node that it is on, as a sentence: what made its shard that node's, and where it is to be."""

from collections.abc import Mapping, Sequence

from greenroom.store.overview.cluster import NodeRow
from greenroom.store.overview.entity import Place
from greenroom.supervisors.cluster.placement import NOBODY, Placement

CAUSES: Mapping[str, str] = {
    "start": "it was alone when it started, and took every shard that was nobody's",
    "takeover": "the shard was nobody's, and placement gives it to this node",
    "moved": "the node that had it before handed it over, since placement gives it to this node",
    "kept": "it was about to be handed over, and was kept",
}

ENDS: Mapping[str, str] = {
    "stopped": "the node that had it has stopped",
    "gave up": "the node that had it gave up while it started",
    "its process has ended": "the process of the node that had it has ended",
    "its lease ran out": "the lease of the node that had it ran out",
    "it was declared dead before": "the node that had it was declared dead, which a failover of the database forgot",
}


def desired_owner(shard: int, shards: int, nodes: Sequence[NodeRow]) -> int | None:
    """Where placement would have it, over the nodes that are up; None: nowhere."""
    capacities = {one.incarnation: one.capacity for one in nodes if one.state == "up" and not one.alone}
    placement = Placement(shards)
    placement.place(capacities)
    found = placement.desired[shard]
    return None if found == NOBODY else found


def why_here(place: Place | None, shards: int, nodes: Sequence[NodeRow]) -> str:
    """A sentence or two."""
    if place is None:
        return "No node has served this database yet, so no shard is anybody's."
    alive = [one for one in nodes if one.state != "dead"]
    if place.owner is None or place.state in (None, "dead"):
        who = "Nobody owns its shard"
        because = f": {ENDS.get(place.cause, place.cause)}" if place.owner is None and place.cause else ""
        if place.owner is not None:
            because = f": its node has ended{f' ({place.why})' if place.why else ''}"
        then = "a node that is up takes it within a second" if alive else "the next node that starts takes it"
        return f"{who}{because}; {then}."
    ended = ENDS.get(place.cause, place.cause)  # with its end the shard was given to the next
    said = CAUSES.get(place.cause, ended or "that was before causes were kept")
    sentence = f"Its node has had the shard since then because {said}."
    mine = next((one for one in alive if one.incarnation == place.owner), None)
    if mine is None or mine.alone:
        return sentence
    total = sum(one.capacity for one in alive if one.state == "up" and not one.alone)
    wanted = desired_owner(place.shard, shards, nodes)
    if mine.state == "draining":
        return f"{sentence} It is draining: the shard goes to {_name(wanted)} next."
    if wanted is not None and wanted != place.owner:
        if len({one.version for one in alive if one.state == "up"}) > 1:  # see cluster/releases.py, which knows more
            return f"{sentence} Placement gives it to {_name(wanted)}, unless that node's release lacks something."
        return f"{sentence} Placement now gives it to {_name(wanted)}: it is to move there."
    if mine.state == "up":
        return f"{sentence} Placement agrees (capacity {mine.capacity} of {total})."
    return sentence


def _name(node: int | None) -> str:
    return "nobody" if node is None else f"{node:016x}"
