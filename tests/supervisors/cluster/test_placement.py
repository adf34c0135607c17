"""Where shards are to be: in proportion, and with as little moved as can be."""

from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.supervisors.cluster.placement import NOBODY, Placement, draws

SHARDS = 4096
INCARNATIONS = st.integers(0, (1 << 63) - 1)
CAPACITIES = st.dictionaries(INCARNATIONS, st.integers(1, 1_000), min_size=1, max_size=6)


def placed(capacities: dict[int, int], shards: int = SHARDS) -> Placement:
    placement = Placement(shards)
    placement.place(capacities)
    return placement


def nodes(count: int) -> dict[int, int]:
    """As random as incarnations are."""
    return {(number * 0x9E3779B97F4A7C15) % (1 << 63): 100 for number in range(1, count + 1)}


def test_nobody_has_what_nobody_is_there_for() -> None:
    placement = Placement(8)
    assert placement.desired == [NOBODY] * 8
    assert not placement.place({})
    assert placement.place({7: 100})
    assert placement.desired == [7] * 8
    assert not placement.place({7: 100})
    assert placement.place({})
    assert placement.desired == [NOBODY] * 8


def test_every_release_has_them_in_the_same_places() -> None:
    """Nodes of two releases serve side by side: were they of two minds, shards would go back and forth."""
    assert placed({1: 100, 2: 50, 3: 200}, shards=16).desired == [1, 2, 3, 2, 3, 3, 2, 3, 1, 3, 1, 2, 3, 2, 1, 2]
    assert draws(5, 100, 4) == draws(5, 100, 8)[:4]


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12))
def test_equal_nodes_have_equal_parts(count: int) -> None:
    capacities = nodes(count)
    desired = placed(capacities).desired
    fair = SHARDS / count
    for node in capacities:
        # Five standard deviations of that many draws: 5 % of a half, 8 % of a quarter.
        assert abs(desired.count(node) - fair) < 5 * (fair * (1 - 1 / count)) ** 0.5


def test_capacity_counts() -> None:
    heavy, light = nodes(2)
    desired = placed({heavy: 300, light: 100}).desired
    assert 0.72 < desired.count(heavy) / SHARDS < 0.78


@settings(deadline=None, max_examples=50)
@given(CAPACITIES, INCARNATIONS, st.integers(1, 1_000))
def test_when_one_comes_nothing_moves_but_to_it(before: dict[int, int], new: int, capacity: int) -> None:
    after = {**before, new: before.get(new, capacity)}
    pairs = zip(placed(before, 256).desired, placed(after, 256).desired, strict=True)
    assert all(then == now or now == new for then, now in pairs)


@settings(deadline=None, max_examples=50)
@given(CAPACITIES, st.data())
def test_when_one_goes_nothing_moves_but_its_own(before: dict[int, int], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(before)))
    after = {node: capacity for node, capacity in before.items() if node != gone}
    pairs = zip(placed(before, 256).desired, placed(after, 256).desired, strict=True)
    assert all(then in (now, gone) for then, now in pairs)


@settings(deadline=None, max_examples=50)
@given(st.lists(CAPACITIES, min_size=1, max_size=5))
def test_it_depends_on_who_there_is_and_not_on_how_that_came_about(steps: list[dict[int, int]]) -> None:
    placement = Placement(128)
    capacities: dict[int, int] = {}
    known: dict[int, int] = {}
    for step in steps:
        capacities = {node: known.setdefault(node, capacity) for node, capacity in step.items()}
        placement.place(capacities)
    assert placement.desired == placed(capacities, 128).desired


def test_where_all_would_be_without_some_is_known_without_placing_anything() -> None:
    nodes = {1: 100, 2: 100, 3: 50, 4: 200}
    placement, after = Placement(SHARDS), Placement(SHARDS)
    placement.place(nodes)
    before = list(placement.desired)
    after.place({1: 100, 3: 50})
    assert placement.without({2, 4}, range(SHARDS)) == dict(enumerate(after.desired))
    assert placement.desired == before
    assert placement.without({2}, [7]) == {7: placement.without({2}, range(SHARDS))[7]}
    assert placement.without(nodes, range(SHARDS)) == {}, "nobody is left"
    assert Placement(SHARDS).without({1}, range(SHARDS)) == {}
