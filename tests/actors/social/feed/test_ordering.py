"""Ranked, or the newest first; and what a reader is told of why."""

import pytest

from greenroom import Refused
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.feed.cursor import Placed
from greenroom.actors.social.feed.messages import FeedPage, Seen, Signal
from greenroom.actors.social.feed.ordering import NEWEST, ranked_by
from greenroom.actors.social.feed.reader import Served
from greenroom.actors.social.ranking.messages import Explain, FeaturesOf, FeaturesShown
from greenroom.actors.social.ranking.order import LIGHT
from tests.actors.social.feed.world import World, ids


@pytest.fixture
def world() -> World:
    world = World()
    world.follow("bob", "cyd")
    return world


def ranked(world: World) -> FeedPage:
    return world.read(order="ranked")


def test_what_others_did_counts_in_a_ranked_page_alone(world: World) -> None:
    old = world.post("bob", text="x", reactions={"like": 900}, comments=50)
    world.kit.advance(3_600.0)
    new = world.post("cyd", text="x")
    assert ids(ranked(world).posts) == [old, new]
    assert world.ids() == [new, old]
    assert (ranked(world).ranking, world.read().ranking) == ("light", "newest")


def test_what_was_seen_stands_behind_what_was_not(world: World) -> None:
    first = world.post("bob", text="x")
    world.kit.advance(1.0)
    second = world.post("cyd", text="x")
    assert ids(ranked(world).posts) == [second, first]
    world.kit.ask(Seen(signals=[Signal(post=second, did="seen")]), user="ann")
    assert ids(ranked(world).posts) == [first, second]


def test_features_are_asked_for_once_and_are_not_needed(world: World) -> None:
    asked: list[FeaturesOf] = []

    def answer(message: FeaturesOf) -> FeaturesShown:
        asked.append(message)
        raise Unavailable("moving")

    for author in ("bob", "cyd", "cyd"):
        world.post(author)
    world.kit.when_asked("features:ann", answer)
    assert len(ranked(world).posts) == 3
    assert [one.authors for one in asked] == [["bob", "cyd"]]


def test_no_explanation_is_given_of_another_model(world: World) -> None:
    post = world.post("bob")
    ranked(world)
    served = world.kit.actor.served[post]
    world.kit.actor.served[post] = type(served)(served.author, served.place, "other@1", "")
    with pytest.raises(Refused, match=r"feed\.ranked_otherwise"):
        world.kit.ask(Explain(post=post), user="ann")
    world.read()
    with pytest.raises(Refused, match=r"feed\.not_ranked"):
        world.kit.ask(Explain(post=post), user="ann")


def test_an_exposure_names_the_model_for_what_it_has_scored_alone() -> None:
    best, behind = Placed("p1", values=b"scored"), Placed("p2")
    assert ranked_by(Served("bob", best, "trees-7", "")) == "trees-7"
    assert ranked_by(Served("bob", behind, "trees-7", "")) == LIGHT
    assert ranked_by(Served("bob", behind, NEWEST, "")) == NEWEST
