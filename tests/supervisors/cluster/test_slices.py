"""How many entities are handed over at once."""

from greenroom.supervisors.cluster.slices import FIRST, MOST, QUICK_S, SLOW_S, Slices


def test_as_many_shards_as_hold_few_entities_and_at_least_one() -> None:
    slices = Slices()
    assert slices.next({1: FIRST - 1, 2: 1, 3: 1}) == [1, 2]
    assert slices.next({1: 10 * FIRST, 2: 1}) == [1]
    assert slices.next({1: 0, 2: 0, 3: FIRST}) == [1, 2, 3]
    assert slices.next({}) == []


def test_what_is_soon_through_makes_the_next_one_larger_and_what_takes_long_smaller() -> None:
    slices = Slices()
    awake = dict.fromkeys(range(2 * MOST), 1)
    sizes = []
    for seconds in [QUICK_S / 2] * 8 + [(QUICK_S + SLOW_S) / 2] + [2 * SLOW_S] * 12:
        slices.took(seconds)
        sizes.append(len(slices.next(awake)))
    assert sizes[:2] == [2 * FIRST, 4 * FIRST]
    assert sizes[7] == sizes[8] == MOST, "bounded, and what is neither changes nothing"
    assert sizes[9] == MOST // 2
    assert sizes[-1] == 1
