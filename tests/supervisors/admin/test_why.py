"""Why an entity is where it is, in words."""

import pytest

from greenroom.store.overview.cluster import NodeRow
from greenroom.store.overview.entity import Place
from greenroom.supervisors.admin.why import desired_owner, why_here
from tests.supervisors.admin.telling import row

SHARDS = 64


def place(owner: int | None = 1, *, shard: int = 0, cause: str = "moved", state: str | None = "up") -> Place:
    return Place(shard, owner, 3, cause, 0, "http://1", state, "stopped" if state == "dead" else None, 4.0)


def shard_of_node(node: int, nodes: list[NodeRow]) -> int:
    return next(shard for shard in range(SHARDS) if desired_owner(shard, SHARDS, nodes) == node)


def test_who_is_alone_took_all() -> None:
    said = why_here(place(cause="start"), SHARDS, [row(alone=True)])
    assert "alone when it started" in said and "lacement" not in said


def test_where_placement_agrees_it_says_by_what_share() -> None:
    nodes = [row(1, capacity=100), row(2, capacity=300), row(3, state="joining")]
    shard = shard_of_node(1, nodes)
    said = why_here(place(shard=shard), SHARDS, nodes)
    assert said.endswith("Placement agrees (capacity 100 of 400).")
    assert "handed it over" in said


def test_where_it_is_to_move_it_says_where_to() -> None:
    nodes = [row(1), row(2)]
    said = why_here(place(shard=shard_of_node(2, nodes)), SHARDS, nodes)
    assert "it is to move there" in said and f"{2:016x}" in said
    draining = [row(1, state="draining"), row(2)]
    assert f"goes to {2:016x} next" in why_here(place(), SHARDS, draining)
    assert "goes to nobody next" in why_here(place(), SHARDS, draining[:1])


@pytest.mark.parametrize(
    ("found", "nodes", "words"),
    [
        (None, [], "No node has served"),
        (
            place(None, cause="its lease ran out", state=None),
            [row(2)],
            "the lease of the node that had it ran out; a node that is up takes it",
        ),
        (place(None, cause="", state=None), [], "Nobody owns its shard; the next node that starts takes it."),
        (place(1, state="dead"), [row(1, state="dead")], "its node has ended (stopped); the next node"),
        (place(1, state=None), [row(2)], "its node has ended; a node that is up"),
    ],
)
def test_what_is_nobodys_says_since_when_and_who_comes_next(
    found: Place | None, nodes: list[NodeRow], words: str
) -> None:
    assert words in why_here(found, SHARDS, nodes)


def test_who_was_given_it_with_the_end_of_another_has_it_since_that_ended() -> None:
    said = why_here(place(cause="its lease ran out"), SHARDS, [row(alone=True)])
    assert "because the lease of the node that had it ran out." in said


def test_between_two_releases_nothing_is_promised() -> None:
    nodes = [row(1, version="2"), row(2, version="1")]
    said = why_here(place(shard=shard_of_node(2, nodes)), SHARDS, nodes)
    assert said.endswith(f"Placement gives it to {2:016x}, unless that node's release lacks something.")


def test_a_cause_that_this_release_does_not_know_is_said_as_it_is() -> None:
    assert "because the moon was full." in why_here(place(cause="the moon was full"), SHARDS, [row(alone=True)])
