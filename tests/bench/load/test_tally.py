from hypothesis import given
from hypothesis import strategies as st

from bench.load.tally import Tally


def tally(offsets: list[int], position: int = 0) -> Tally:
    found = Tally(position)
    for offset in offsets:
        found.take(offset)
    return found


def verdict(found: Tally, top: int) -> tuple[int, int, int]:
    return found.lost(top), found.duplicated, found.reordered


def test_all_is_well() -> None:
    assert verdict(tally([4, 5, 6], position=3), 6) == (0, 0, 0)


def test_each_kind_of_harm() -> None:
    assert verdict(tally([1, 3]), 3) == (1, 0, 0)
    assert verdict(tally([1, 2]), 4) == (2, 0, 0)  # the end is missing
    assert verdict(tally([1, 2, 2, 1]), 2) == (0, 2, 0)
    assert verdict(tally([1, 3, 2, 4]), 4) == (0, 0, 1)
    assert verdict(tally([1, 3, 2, 2]), 3) == (0, 1, 1)
    assert verdict(tally([3, 4], position=4), 4) == (0, 2, 0)  # known before


def test_what_a_failed_recovery_gave_up_is_lost() -> None:
    found = tally([1, 2])
    found.skip_to(10)
    found.take(11)
    assert verdict(found, 11) == (8, 0, 0)


@given(st.lists(st.integers(1, 12), max_size=30))
def test_every_offset_is_counted_for_once(offsets: list[int]) -> None:
    found = tally(offsets)
    assert found.lost(12) == 12 - len(set(offsets))
    assert found.duplicated == len(offsets) - len(set(offsets))
    assert (found.reordered > 0) == any(
        offset not in offsets[:at] and any(earlier > offset for earlier in offsets[:at])
        for at, offset in enumerate(offsets)
    )
