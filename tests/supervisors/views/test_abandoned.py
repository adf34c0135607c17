"""When a table that nobody can fill any more is given up."""

from msgspec.structs import replace

from greenroom.supervisors.views.abandoned import AGE_S, SEEN_S, Abandoned, kept_up
from tests.supervisors.views.test_sweep import VERSION

FILLING = replace(VERSION, state="filling", age_s=AGE_S)
CODE = (FILLING.name, FILLING.version)


def test_what_releases_have_is_kept_up() -> None:
    assert kept_up([{"a": 1, "b": 2}, {"a": 2}, {}]) == {("a", 1), ("b", 2), ("a", 2)}


def test_one_that_nobody_has_had_the_code_of_for_long_is_given_up_once() -> None:
    abandoned = Abandoned()
    assert abandoned.look([FILLING], (), 5.0) == []
    assert abandoned.look([FILLING], (), 5.0 + SEEN_S - 1) == []
    assert abandoned.look([FILLING], (), 5.0 + SEEN_S) == [FILLING]
    assert abandoned.look([FILLING], (), 6.0 + SEEN_S) == []


def test_a_node_that_comes_with_its_code_makes_it_anybodys_again() -> None:
    abandoned = Abandoned()
    assert abandoned.look([FILLING], (), 0.0) == []
    assert abandoned.look([FILLING], {CODE}, 1.0) == []
    assert abandoned.look([FILLING], (), SEEN_S) == []


def test_a_young_one_and_one_that_is_not_filled_are_left_alone() -> None:
    abandoned = Abandoned()
    others = [
        replace(FILLING, age_s=AGE_S - 1),
        replace(FILLING, id=2, state="live"),
        replace(FILLING, id=3, state="old"),
    ]
    for now in (0.0, SEEN_S, 2 * SEEN_S):
        assert abandoned.look(others, (), now) == []
