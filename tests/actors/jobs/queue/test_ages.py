"""How long the oldest has waited, against a list."""

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.jobs.queue.ages import Ages


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20_000))))
def test_the_oldest_of_those_that_are_left(doings: list[tuple[bool, int]]) -> None:
    ages, left = Ages(), list[int]()
    for comes, value in doings:
        if comes:
            ages.add(value)
            left.append(value)
        elif left:
            ages.remove(left.pop(value % len(left)))
        oldest = 30_000 - min(left) // 1000 * 1000 if left else None
        assert ages.oldest_ms(30_000) == oldest


def test_behind_one_that_waits_for_ever_nothing_piles_up() -> None:
    ages = Ages()
    ages.add(0)
    for second in range(10_000):
        ages.add(second * 1_000)
        ages.remove(second * 1_000)
    assert len(ages) < 4
