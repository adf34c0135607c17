"""Nodes that do not reach one another: who says so when, and who is left out for it."""

from greenroom.store.ownership.referee import Member
from greenroom.supervisors.cluster.reach import BACK_S, LOST_S, SKEW_S, Reach, parted_from_most

A, B, C, D = 1, 2, 3, 4
AGREED_S = 1.5 + SKEW_S


def member(incarnation: int, *unreached: int, capacity: int = 100) -> Member:
    return Member(incarnation, "", "1", "", "", "up", capacity, False, 5.0, 0.0, 1, "", unreached)


def test_where_all_reach_one_another_nobody_is_left_out() -> None:
    assert parted_from_most([]) == parted_from_most([member(A)]) == parted_from_most([member(A), member(B)]) == set()


def test_one_that_reaches_nobody_is_left_out_and_no_other_for_it() -> None:
    assert parted_from_most([member(A, A), member(B, A), member(C, A)]) == {A}
    assert parted_from_most([member(A, A), member(B)]) == {A}, "of two the other one has half"


def test_where_nobody_reaches_anybody_all_stay() -> None:
    """What carries messages is away, and nothing is gained by moving anything."""
    assert parted_from_most([member(A, A), member(B, B), member(C, C)]) == set()
    assert parted_from_most([member(A, A), member(B, B), member(C)]) == set(), "one of three would have it all"


def test_of_two_that_do_not_reach_one_another_the_younger_is_left_out() -> None:
    """Whichever of them says so."""
    for pair in ((member(A, B), member(B)), (member(A), member(B, A)), (member(A, B), member(B, A))):
        assert parted_from_most([*pair, member(C)]) == {B}
    assert parted_from_most([member(A, B, capacity=50), member(B), member(C)]) == {A}, "or the one that can do less"


def test_whoever_is_parted_from_most_is_left_out() -> None:
    assert parted_from_most([member(A, B, C, D), member(B, A), member(C, A), member(D, A)]) == {A}
    groups = [member(A, C, D), member(B, C, D), member(C, A, B), member(D, A, B)]
    assert parted_from_most(groups) == {C, D}, "of two groups one stays"
    assert parted_from_most([member(A, B, C), member(B, A, C), member(C, A, B)]) == set(), "none has half of it all"


def test_whom_others_can_not_reach_that_are_not_there_is_of_no_interest() -> None:
    assert parted_from_most([member(A, 77), member(B)]) == set()


def test_what_passes_is_not_said() -> None:
    reach = Reach(1.5)
    assert reach.saw([B], 100.0) == reach.saw([B], 100.0 + LOST_S - 0.1) == ()
    assert reach.saw([], 100.0 + LOST_S) == reach.saw([B], 100.0 + LOST_S + 0.1) == ()


def test_what_lasts_is_said_until_it_is_over() -> None:
    reach = Reach(1.5)
    reach.saw([B], 100.0)
    assert reach.saw([B, C], 103.0) == (B,)
    assert reach.saw([C], 104.0) == ()
    assert reach.saw([C], 106.0) == (C,)


def test_nobody_is_left_out_before_all_have_had_the_time_to_say_that_they_are_no_better_off() -> None:
    """Where Redis goes, some say so a second or two before others."""
    reach = Reach(1.5)
    early, both = [member(A, A), member(B)], [member(A, A), member(B, B)]
    assert reach.heard(early, 100.0) == reach.heard(early, 102.0) == frozenset()
    assert reach.heard(both, 103.0) == reach.heard(both, 103.0 + AGREED_S) == frozenset()
    assert reach.heard(early, 110.0) == frozenset()
    assert reach.heard(early, 110.0 + AGREED_S) == {A}
    assert reach.heard(early, 120.0) == {A}


def test_who_was_left_out_comes_back_when_it_has_been_within_reach_for_a_while() -> None:
    reach = Reach(1.5)
    cut, well = [member(A, A), member(B)], [member(A), member(B)]
    reach.heard(cut, 100.0)
    assert reach.heard(cut, 110.0) == {A}
    assert reach.heard(well, 111.0) == reach.heard(well, 110.0 + BACK_S - 0.1) == {A}
    assert reach.heard(cut, 120.0) == reach.heard(well, 120.0 + BACK_S - 0.1) == {A}, "not if it was cut off meanwhile"
    assert reach.heard(well, 120.0 + BACK_S) == frozenset()
    reach.heard(cut, 140.0)
    assert reach.heard(cut, 150.0) == {A}
    assert reach.heard([member(B)], 151.0) == frozenset(), "who is gone is not left out"
