"""What counts as a delay of others, and what was there before."""

import pytest

from bench.load.steady import Waits, delay

MS = 1_000_000


def waits(*pairs: tuple[int, int]) -> Waits:
    """Each: when it was due and how long it waited, ms."""
    return Waits([due * MS for due, _ in pairs], [waited * MS for _, waited in pairs])


def test_the_worst_wait_during_it_less_the_median_before() -> None:
    found = delay(waits((0, 2), (10, 9), (20, 3), (100, 5), (110, 42), (120, 7)), 100 * MS, 130 * MS)
    assert (found.worst_ms, found.before_ms, found.before_worst_ms) == (42, 3, 9)
    assert found.delay_ms == 39


def test_who_was_on_the_way_as_it_began_waited_for_it_and_who_came_after_it_did_not() -> None:
    found = delay(waits((0, 1), (95, 30), (105, 2), (130, 99)), 100 * MS, 130 * MS)
    assert (found.worst_ms, found.before_ms) == (30, 1)


def test_answered_at_the_moment_it_began_is_before() -> None:
    assert delay(waits((90, 10), (100, 3)), 100 * MS, 130 * MS).before_worst_ms == 10


@pytest.mark.parametrize("pairs", [(), ((0, 1),), ((110, 1),)])
def test_without_a_command_before_or_during_there_is_no_figure(pairs: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError):
        delay(waits(*pairs), 100 * MS, 130 * MS)
