"""What `features:USER` remembers of its reader."""

import msgspec
import msgspec.inspect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import Refused
from greenroom.actors.personal.redaction import Redaction
from greenroom.actors.social.ranking import features
from greenroom.actors.social.ranking.events import EngagedWith, Exposed
from greenroom.actors.social.ranking.features import LIKED_S, Features, FeaturesState
from greenroom.actors.social.ranking.messages import Engaged, FeaturesOf, Observe
from greenroom.testing import Kit
from tests.actors.social.ranking.made import exposure, post


def kit() -> Kit[Features]:
    return Kit(Features, key="ann")


def test_what_was_shown_and_liked_is_answered_for_each_author() -> None:
    one = kit()
    one.tell(Observe(exposures=[exposure("seen"), exposure("clicked"), exposure("dwelt", ms=20_000)]))
    one.tell(Observe(exposures=[exposure("hid", author="cat")]))
    one.tell(Engaged(author="bob", post=post(1), did="like"))
    one.advance(LIKED_S)
    shown = one.ask(FeaturesOf(authors=["bob", "cat", "dan", "bob"]))
    assert shown.with_authors["bob"] == pytest.approx(
        {
            f"{name}_{window}": value
            for name, value in (("seen", 1), ("engaged", 3), ("dwelt", 20))
            for window in ("1h", "1d", "7d")
        },
        rel=0.01,
    )
    assert set(shown.with_authors) == {"bob", "cat"} and shown.with_authors["cat"]["hid_1d"] == pytest.approx(
        1, rel=0.01
    )
    assert shown.mine["engaged_1h"] == pytest.approx(3, rel=0.01) and shown.mine["hid_7d"] == pytest.approx(1, rel=0.01)
    one.restart()
    one.restart(from_snapshot=True)
    one.advance(86_400)
    assert one.ask(FeaturesOf(authors=["bob"])).with_authors["bob"]["engaged_1d"] == pytest.approx(
        3 / 2.718281828, rel=0.01
    )


@pytest.mark.bound("likes of a reader that wait to be recorded together")
def test_likes_are_recorded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "LIKED_MAX", 3)
    one = kit()
    likes = [EngagedWith(author="bob", post=post(number), did="like") for number in range(6)]
    for like in likes[:2]:
        one.tell(Engaged(author="bob", post=like.post, did="like"))
    assert one.events == []
    one.advance(LIKED_S)
    assert one.events == likes[:2]
    for like in likes[2:]:
        one.tell(Engaged(author="bob", post=like.post, did="like"))
    assert one.events == likes[:5], "with so many it does not wait"
    one.tell(Engaged(author="bob", post=post(9), did="comment"))
    assert one.events[5:] == [EngagedWith(author="bob", post=post(9), did="comment")], "which is a fact"
    one.advance(LIKED_S)
    assert one.events[6:] == likes[5:]


def test_the_values_of_what_was_seen_are_kept_as_they_were_scored_and_nothing_else() -> None:
    one = kit()
    given = {"recency": 0.123456789, "chars": 0.0, "pair_seen_1d": 2.5, "no_such_feature": 1.0}
    one.tell(Observe(exposures=[exposure("seen", features=given), exposure("clicked", features=given)]))
    (event,) = one.events
    assert isinstance(event, Exposed)
    assert [item.features for item in event.items] == [{"recency": 0.123456789, "pair_seen_1d": 2.5}, {}]
    assert one.publications == [], "nobody watches what a reader does"


def test_what_one_does_with_ones_own_and_what_is_not_known_says_nothing() -> None:
    one = kit()
    one.tell(Engaged(author="ann", post=post(1), did="like"))
    one.tell(Engaged(author="bob", post=post(1), did="waved"))
    one.tell(Observe(exposures=[]))
    one.advance(LIKED_S)
    assert one.events == []
    one.tell(Engaged(author="bob", post=post(1), did="share"))
    assert one.events == [EngagedWith(author="bob", post=post(1), did="share")]


def test_a_page_that_is_left_open_is_not_read_for_ever() -> None:
    one = kit()
    one.tell(Observe(exposures=[exposure("dwelt", ms=3_600_000)]))
    assert one.ask(FeaturesOf(authors=[])).mine["dwelt_1h"] == 300


@pytest.mark.bound("authors whom a reader's features remember")
def test_who_was_not_met_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "AUTHORS_MAX", 3)
    one = kit()
    for author in ("bob", "cat", "dan", "bob", "eve"):
        one.tell(Engaged(author=author, post=post(1), did="share"))
    assert list(one.state.authors) == ["dan", "bob", "eve"]
    assert one.ask(FeaturesOf(authors=["cat"])).with_authors == {}
    one.restart(from_snapshot=True)
    one.tell(Engaged(author="fay", post=post(1), did="share"))
    assert list(one.state.authors) == ["bob", "eve", "fay"], "a snapshot keeps the order"


ACTS = st.lists(
    st.tuples(st.sampled_from(["seen", "clicked", "dwelt", "hid", "like"]), st.integers(0, 5), st.integers(0, 100_000)),
    max_size=25,
)


@given(ACTS)
def test_a_reader_who_wakes_again_knows_the_same(acts: list[tuple[str, int, int]]) -> None:
    one = kit()
    for did, author, wait_s in acts:
        one.advance(wait_s)
        if did == "like":
            one.tell(Engaged(author=f"user{author}", post=post(1), did=did))
        else:
            one.tell(Observe(exposures=[exposure(did, author=f"user{author}", ms=1000)]))
    one.restart()
    one.restart(from_snapshot=True)


def test_who_is_forgotten_is_nobody_in_what_others_have_done() -> None:
    one = kit()
    one.tell(Observe(exposures=[exposure("seen"), exposure("seen", author="cat")]))
    one.tell(Engaged(author="bob", post=post(1), did="comment"))
    redaction = Redaction("bob", "forgotten-1")
    for value in (one.state, *one.events):
        declared = msgspec.inspect.type_info(type(value))
        left = redaction.redact(declared, msgspec.to_builtins(value))
        assert "bob" not in str(left) and "forgotten-1" in str(left)
        again = msgspec.convert(left, type(value))
        assert not isinstance(again, FeaturesState) or again.authors["forgotten-1"] == one.state.authors["bob"]


def test_features_are_for_ranking_alone() -> None:
    one = kit()
    with pytest.raises(Refused, match=r"features\.internal"):
        one.watch(user="ann")
    one.watch(user="ops", roles=("service",))
