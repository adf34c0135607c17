"""Marks: nothing overtakes what it was sent behind, and none that is under way is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.life.marks import KEPT_MIN, Marks
from greenroom.actors.model.envelope import Origin


def origin(seq: int, sender: int = 7, after: int = 0) -> Origin:
    return Origin(sender, seq, "log:a", after=after)


def test_nothing_overtakes_what_it_was_sent_behind() -> None:
    marks = Marks()
    assert not marks.is_overtaken(origin(5))
    assert marks.is_overtaken(origin(6, after=5)) and marks.is_overtaken(origin(7, after=6))
    assert not marks.is_overtaken(origin(6, sender=8)), "another sender"
    marks.mark(origin(5))
    assert not marks.is_overtaken(origin(6, after=5))
    assert marks.is_overtaken(origin(7, after=6))


def test_what_another_owner_handled_lets_the_next_one_pass_and_no_other() -> None:
    """5, 6 and 7 were put off here, and only 5 came to the former owner: 7 in the mailbox must still wait for 6."""
    marks = Marks()
    marks.learn({7: 5})
    assert marks.is_overtaken(origin(7, after=6))
    assert not marks.is_overtaken(origin(6, after=5))


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=30))
def test_whatever_is_put_off_they_are_handled_in_order(tries: list[tuple[int, bool]]) -> None:
    """A sender with four messages under way: all that are rejected come again, in order, once none is under way."""
    marks = Marks()
    handled: list[int] = []
    left = [1, 2, 3, 4]
    willing = iter(yes for _, yes in tries)
    while left:
        sent = [(seq, before) for seq, before in zip(left, [0, *left], strict=False)]
        for seq, before in sent:
            if not marks.is_overtaken(origin(seq, after=before)) and next(willing, True):
                marks.mark(origin(seq))
                handled.append(seq)
                left.remove(seq)
    assert handled == [1, 2, 3, 4]


def test_what_is_stored_does_not_lower_a_mark_that_is_under_way() -> None:
    marks = Marks()
    marks.mark(origin(9))
    marks.learn({7: 3, 8: 4})
    assert marks.has_handled(origin(9)) and not marks.has_handled(origin(10))
    assert marks.has_handled(origin(4, sender=8)) and not marks.has_handled(origin(5, sender=8))


@pytest.mark.bound("senders whose marks an entity has in memory")
def test_the_marks_in_memory_are_bounded_and_the_latest_are_kept() -> None:
    """A mark that is forgotten is read again, from rows that may lack what is under way: so never one of those."""
    under_way_max = KEPT_MIN + 500
    marks = Marks(under_way_max=under_way_max)
    for sender in range(2 * under_way_max + 1):
        marks.learn({sender: 1})
    for sender in range(under_way_max):  # the first to come is the last to have been handled
        marks.mark(origin(2, sender))
    marks.learn({-1: 1})
    assert len(marks) == under_way_max + 1
    assert all(sender in marks for sender in range(under_way_max))
