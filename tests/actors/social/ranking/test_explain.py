"""A score, feature by feature."""

import pytest

from greenroom.actors.social.ranking.explain import explained
from greenroom.actors.social.ranking.model import Linear, logistic
from greenroom.actors.social.ranking.order import ranked
from tests.actors.social.ranking.made import NOW_MS, candidate

MODEL = Linear("weights@1", {"recency": 2.0, "comments": 0.5, "media": 1.0, "suggested": -3.0}, -1.0)


@pytest.mark.parametrize("model", [None, MODEL])
def test_the_parts_of_a_score_add_up_to_it(model: Linear | None) -> None:
    (one,) = ranked([candidate(1, comments=6, reason="tag")], now_ms=NOW_MS, model=model)
    told = explained(one.values, model)
    assert told.model == ("light" if model is None else "weights@1")
    assert told.score == pytest.approx(one.score)
    assert told.score == pytest.approx(logistic(told.base + sum(part.adds for part in told.parts)))
    sizes = [abs(part.adds) for part in told.parts]
    assert sizes == sorted(sizes, reverse=True) and all(sizes)


def test_each_part_says_the_value_and_what_it_does() -> None:
    (one,) = ranked([candidate(1, age_h=6, reason="tag")], now_ms=NOW_MS, model=MODEL)
    told = explained(one.values, MODEL)
    assert [(part.feature, part.value, part.adds) for part in told.parts] == [
        ("suggested", 1.0, -3.0),
        ("recency", 0.5, 1.0),
    ]
