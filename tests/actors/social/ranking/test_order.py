"""The way through."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.ranking.candidates import CANDIDATES_MAX, Candidate
from greenroom.actors.social.ranking.messages import FeaturesShown
from greenroom.actors.social.ranking.model import Contributions, Linear
from greenroom.actors.social.ranking.order import SCORED_MAX, ranked
from greenroom.actors.social.ranking.values import VALUES_BYTES
from tests.actors.social.ranking.made import CANDIDATES, NOW_MS, candidate, post

OLDEST = Linear("oldest@1", {"age_h": 1.0}, -20.0)


class Counting:
    """A model that says how much it was asked."""

    version = "counting"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def scores(self, rows: Sequence[bytes]) -> list[float]:
        self.asked.append(len(rows))
        return [0.5] * len(rows)

    def explained(self, row: bytes) -> tuple[float, Contributions]:
        raise NotImplementedError


@given(CANDIDATES, st.booleans(), st.randoms(use_true_random=False))
def test_each_post_comes_once_in_an_order_that_is_theirs_alone(
    candidates: list[Candidate], with_model: bool, chance: random.Random
) -> None:
    by_post = {one.post: one for one in candidates}
    unlike = list(by_post.values())
    model = OLDEST if with_model else None
    made = ranked(unlike, now_ms=NOW_MS, model=model)
    assert sorted(one.post for one in made) == sorted(by_post)
    chance.shuffle(unlike)
    assert ranked(unlike, now_ms=NOW_MS, model=model) == made
    assert all(len(one.values) == VALUES_BYTES for one in made[:SCORED_MAX])


@pytest.mark.bound("posts that one read of a feed ranks")
def test_the_model_scores_a_hundred_of_five_hundred() -> None:
    many = [candidate(number, f"user{number}", age_h=number / 10) for number in range(CANDIDATES_MAX + 50)]
    model = Counting()
    made = ranked(many, now_ms=NOW_MS, model=model)
    assert model.asked == [SCORED_MAX] and len(made) == CANDIDATES_MAX
    assert post(CANDIDATES_MAX) not in {one.post for one in made}, "of too many the newest are taken"
    assert [bool(one.values) for one in made] == [True] * SCORED_MAX + [False] * (CANDIDATES_MAX - SCORED_MAX)
    assert {one.post for one in made[:SCORED_MAX]} == {post(number) for number in range(SCORED_MAX)}


def test_the_best_of_an_author_comes_first() -> None:
    """As the light score has it, or the model; none of these is the newest."""
    three = [candidate(1, age_h=1), candidate(2, age_h=2, reactions=500), candidate(3, age_h=30)]
    assert [one.post for one in ranked(three, now_ms=NOW_MS)] == [post(2), post(1), post(3)]
    assert [one.post for one in ranked(three, now_ms=NOW_MS, model=OLDEST)] == [post(3), post(2), post(1)]


def test_it_is_the_light_score_that_says_which_the_model_scores() -> None:
    many = [candidate(number, f"user{number}", age_h=1) for number in range(SCORED_MAX)]
    liked = candidate(SCORED_MAX, "bob", age_h=2, reactions=5_000)
    made = ranked([*many, liked], now_ms=NOW_MS, model=OLDEST)
    assert made[0].post == liked.post and made[0].values and not made[-1].values


def test_the_models_score_decides_among_them() -> None:
    two = [candidate(1, "bob", age_h=1), candidate(2, "cat", age_h=9)]
    assert [one.post for one in ranked(two, now_ms=NOW_MS)] == [post(1), post(2)]
    assert [one.post for one in ranked(two, now_ms=NOW_MS, model=OLDEST)] == [post(2), post(1)]


def test_what_is_filtered_takes_nobodys_place() -> None:
    many = [candidate(number, f"user{number}", age_h=number / 10) for number in range(CANDIDATES_MAX + 50)]
    hidden = {one.post for one in many[:60]}
    made = ranked(many, now_ms=NOW_MS, filters=[lambda one: one.post not in hidden])
    assert len(made) == CANDIDATES_MAX + 50 - 60 and hidden.isdisjoint(one.post for one in made)
    assert post(60 + SCORED_MAX - 1) in {one.post for one in made[:SCORED_MAX]}


def test_who_is_followed_is_not_suggested_as_well() -> None:
    followed, suggested = candidate(1), candidate(1, reason="suggested")
    alone = ranked([followed], now_ms=NOW_MS)
    assert ranked([followed, suggested], now_ms=NOW_MS) == ranked([suggested, followed], now_ms=NOW_MS) == alone


def test_nothing_is_ranked_as_nothing() -> None:
    assert ranked([], now_ms=NOW_MS, model=OLDEST, known=FeaturesShown({}, {})) == []
