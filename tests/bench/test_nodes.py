"""When shards have settled, by the referee's rows."""

from bench.nodes import Rows
from greenroom.store.ownership.sharding import shard_of
from greenroom.supervisors.cluster.placement import Placement

SHARDS = 64
A, B = 11, 12


def placed(*incarnations: int) -> list[int | None]:
    placement = Placement(SHARDS)
    placement.place(dict.fromkeys(incarnations, 100))
    return list(placement.desired)


def test_all_is_settled_when_each_shard_is_where_it_is_to_be() -> None:
    both = {A: 100, B: 100}
    assert Rows(both, placed(A, B)).settled([B, A])
    assert not Rows(both, placed(A)).settled([A, B]), "nothing was handed over yet"
    assert not Rows(both, [None, *placed(A, B)[1:]]).settled([A, B])


def test_nothing_is_settled_while_somebody_is_still_to_come_or_to_go() -> None:
    assert not Rows({A: 100}, placed(A)).settled([A, B])
    assert not Rows({A: 100, B: 100}, placed(A, B)).settled([A])


def test_an_entity_is_where_its_shard_is() -> None:
    owners = placed(A, B)
    assert Rows({}, owners).owner("room:x") == owners[shard_of("room:x", SHARDS)]
