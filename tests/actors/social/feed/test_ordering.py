"""Ranked, or the newest first; and what a reader is told of why."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio

from greenroom import Refused
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.feed import actor, home, ordering
from greenroom.actors.social.feed.cursor import Placed
from greenroom.actors.social.feed.messages import FeedPage, Seen, Signal
from greenroom.actors.social.feed.ordering import NEWEST, ranked_by
from greenroom.actors.social.feed.reader import Served
from greenroom.actors.social.ranking import models as models_module
from greenroom.actors.social.ranking.messages import Explain, FeaturesOf, FeaturesShown
from greenroom.actors.social.ranking.model import Model, NoScores
from greenroom.actors.social.ranking.models import Chosen, Models
from greenroom.actors.social.ranking.order import LIGHT
from greenroom.config.telemetry.ranking_instruments import RankingInstruments
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


class Failing:
    """A model that was read, and does not score."""

    version = "broken@1"

    def scores(self, rows: Sequence[bytes]) -> list[float]:
        raise NoScores("no")

    def explained(self, row: bytes) -> tuple[float, dict[str, float]]:
        raise NoScores("no")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> RankingInstruments:
    made = RankingInstruments()
    for module in (ordering, home, actor, models_module):
        monkeypatch.setattr(module, "RANKING", made)
    return made


def chosen_for_all(monkeypatch: pytest.MonkeyPatch, model: Model | None) -> Models:
    """By an arm of an experiment."""
    models = Models()

    async def choose(user: str, now_s: float) -> Chosen:
        return Chosen(model, "autumn/bold")

    monkeypatch.setattr(models, "choose", choose)
    monkeypatch.setattr(ordering, "models", lambda: models)
    return models


def test_a_model_that_fails_leaves_the_light_score_and_is_not_tried_at_each_page(
    world: World, counts: RankingInstruments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def at_once(look: Callable[[object], bool], file: object, limiter: object) -> bool:
        return look(file)  # no thread takes time of a kit's clock

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    models = Models(tmp_path / "model.json")
    monkeypatch.setattr(models_module, "read_model", lambda _: Failing())
    monkeypatch.setattr(ordering, "models", lambda: models)
    said: list[str] = []
    monkeypatch.setattr(models_module.log, "warning", lambda name, **_: said.append(name), raising=False)
    post = world.post("bob")
    for _ in range(2):
        page = ranked(world)
        assert (ids(page.posts), page.ranking) == ([post], LIGHT)
    assert counts.ranked_posts == {(LIGHT,): 1}, "the second page has the order of the first"
    world.post("bob")
    ranked(world)
    world.kit.advance(60.0)
    ranked(world)
    assert counts.ranking_failures[("scores",)] == 1 and said == ["ranking_scores_failed"]


def test_an_explanation_that_a_model_does_not_give_is_refused(
    world: World, counts: RankingInstruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = world.post("bob")
    ranked(world)
    chosen_for_all(monkeypatch, Failing())
    served = world.kit.actor.served[post]
    world.kit.actor.served[post] = type(served)(served.author, served.place, Failing.version, "")
    with pytest.raises(Refused, match=r"feed\.not_explained"):
        world.kit.ask(Explain(post=post), user="ann")
    assert counts.ranking_failures[("scores",)] == 1


def test_what_ranked_pages_take_and_what_comes_of_them_is_counted(
    world: World, counts: RankingInstruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen_for_all(monkeypatch, None)
    post, _ = world.post("bob"), world.post("cyd")
    ranked(world)
    ranked(world)
    assert (counts.ranked_page_s.count, counts.ranked_order_s.count) == (2, 1), (
        "the second page has the order of the first"
    )
    world.kit.ask(Seen(signals=[Signal(post=post, did="seen"), Signal(post=post, did="clicked")]), user="ann")
    arm = (LIGHT, "autumn/bold")
    assert (counts.ranked_feeds, counts.ranking_exposures) == ({arm: 1}, {arm: 1})
    assert counts.ranked_posts == {(LIGHT,): 2}
    world.read()
    world.kit.ask(Seen(signals=[Signal(post=post, did="seen")]), user="ann")
    assert counts.ranked_page_s.count == 2 and counts.ranking_exposures == {arm: 1}, "that one was not ranked"


def test_what_is_not_known_of_a_reader_is_counted(world: World, counts: RankingInstruments) -> None:
    def away(message: FeaturesOf) -> FeaturesShown:
        raise Unavailable("moving")

    world.kit.when_asked("features:ann", away)
    world.post("bob")
    ranked(world)
    assert counts.ranking_failures == {("model",): 0, ("scores",): 0, ("features",): 1}


def test_an_exposure_names_the_model_for_what_it_has_scored_alone() -> None:
    best, behind = Placed("p1", values=b"scored"), Placed("p2")
    assert ranked_by(Served("bob", best, "trees-7", "")) == "trees-7"
    assert ranked_by(Served("bob", behind, "trees-7", "")) == LIGHT
    assert ranked_by(Served("bob", behind, NEWEST, "")) == NEWEST
