"""Who gives way to whom."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.ranking.diversity import IN_A_ROW_MAX, spread_out

One = tuple[str, float]
GROUP = st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0.0, 1.0)), max_size=40).map(
    lambda ones: sorted(ones, key=lambda one: -one[1])
)


def spread(*groups: list[One]) -> list[One]:
    return spread_out(groups, lambda one: one[0], lambda one: one[1])


@given(GROUP, GROUP)
def test_all_are_there_once_and_group_after_group(first: list[One], rest: list[One]) -> None:
    made = spread(first, rest)
    assert Counter(made[: len(first)]) == Counter(first) and Counter(made[len(first) :]) == Counter(rest)


@given(GROUP, GROUP)
def test_nobody_comes_too_often_in_a_row_while_there_is_somebody_else(first: list[One], rest: list[One]) -> None:
    made = spread(first, rest)
    for begin, group in ((0, first), (len(first), rest)):
        for at in range(begin, begin + len(group)):
            before = {who for who, _ in made[max(at - IN_A_ROW_MAX, 0) : at]}
            is_too_often = at >= IN_A_ROW_MAX and before == {made[at][0]}
            others_left = {who for who, _ in made[at : begin + len(group)]} - before
            assert not (is_too_often and others_left)


@given(GROUP)
def test_those_of_one_author_keep_their_order(group: list[One]) -> None:
    made = spread(group)
    for who in "abcd":
        assert [score for one, score in made if one == who] == sorted(
            (s for one, s in group if one == who), reverse=True
        )


def test_who_has_much_gives_way_to_who_is_almost_as_good() -> None:
    group = [("a", 0.9), ("a", 0.88), ("b", 0.8), ("c", 0.3), ("a", 0.29)]
    assert "".join(who for who, _ in spread(group)) == "abaca"
