"""The light score."""

import pytest
from hypothesis import given

from greenroom.actors.social.ranking.candidates import Candidate
from greenroom.actors.social.ranking.light import explained_light, light_score
from greenroom.actors.social.ranking.messages import FeaturesShown
from greenroom.actors.social.ranking.model import logistic
from tests.actors.social.ranking.made import CANDIDATES, candidate, reader

KNOWN = FeaturesShown(
    {"seen_7d": 40.0, "engaged_7d": 8.0},
    {"bob": {"seen_7d": 9.0, "engaged_7d": 9.0}, "cat": {"hid_7d": 2.0, "seen_7d": 3.0}},
)


@given(CANDIDATES)
def test_it_is_what_its_features_add_up_to(candidates: list[Candidate]) -> None:
    one = reader(KNOWN)
    for each in candidates:
        base, added = explained_light(one.packed(each))
        assert light_score(each, one) == pytest.approx(logistic(base + sum(added.values())), rel=1e-3)
        assert 0 < light_score(each, one) < 1


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate(1, "eve", age_h=0), candidate(2, "eve", age_h=12)),
        (candidate(1, "bob"), candidate(2, "eve")),
        (candidate(1, "eve"), candidate(2, "cat")),
        (candidate(1, "eve", reactions=50), candidate(2, "eve")),
        (candidate(1, "eve", reactions=50), candidate(2, "eve", reactions=50, followers=1_000_000)),
        (candidate(1, "eve"), candidate(2, "eve", reason="trending")),
        (candidate(1, "eve"), candidate(2, "eve", seen=True)),
    ],
)
def test_what_is_new_and_near_and_liked_stands_above(better: Candidate, worse: Candidate) -> None:
    assert light_score(better, reader(KNOWN)) > light_score(worse, reader(KNOWN))
