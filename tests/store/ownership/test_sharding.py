"""Shards: the same in every release, since what is stored is shared out by them."""

from hypothesis import given
from hypothesis import strategies as st

from greenroom.store.ownership.sharding import SHARDS, shard_of


def test_an_entity_stays_on_its_shard_in_every_release() -> None:
    assert [shard_of(name, SHARDS) for name in ("room:lobby", "session:ann", "room:é")] == [2215, 142, 2033]


@given(st.text(), st.integers(1, 65_536))
def test_a_shard_is_one_of_those_that_there_are(entity: str, shards: int) -> None:
    assert 0 <= shard_of(entity, shards) < shards


def test_entities_are_spread_evenly() -> None:
    counts = [0] * 16
    for number in range(16_000):
        counts[shard_of(f"room:{number}", 16)] += 1
    assert 850 < min(counts) <= max(counts) < 1_150
