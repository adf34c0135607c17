"""What was shown is told as it was scored."""

from greenroom.actors.social.feed.messages import Signal
from greenroom.actors.social.ranking.candidates import CANDIDATES_MAX
from greenroom.actors.social.ranking.exposing import exposure
from greenroom.actors.social.ranking.model import Linear
from greenroom.actors.social.ranking.models import Chosen
from greenroom.actors.social.ranking.order import ranked
from greenroom.actors.social.ranking.values import packed_again
from tests.actors.social.ranking.made import NOW_MS, candidate

MODEL = Linear("autumn@1", {"recency": 1.0}, 0.0)


def test_an_exposure_has_the_score_and_the_values_that_gave_it() -> None:
    (one,) = ranked([candidate(1, age_h=1 / 3)], now_ms=NOW_MS, model=MODEL)
    told = exposure(Signal(post=one.post, did="seen", position=3), one, Chosen(MODEL, "autumn/bold"))
    assert (told.score, told.model, told.experiment, told.author) == (one.score, "autumn@1", "autumn/bold", "bob")
    assert MODEL.scores([packed_again(told.features)]) == [told.score]
    assert told.signal.position == 3


def test_what_no_model_has_scored_says_so_and_a_click_repeats_nothing() -> None:
    many = [candidate(number, f"user{number}") for number in range(CANDIDATES_MAX)]
    last = ranked(many, now_ms=NOW_MS, model=MODEL)[-1]
    told = exposure(Signal(post=last.post, did="seen"), last, Chosen(MODEL))
    assert told.model == "light" and told.features == {}
    (one,) = ranked(many[:1], now_ms=NOW_MS)
    assert exposure(Signal(post=one.post, did="seen"), one, Chosen(None)).model == "light"
    assert exposure(Signal(post=one.post, did="clicked"), one, Chosen(None)).features == {}
