"""In which order a home feed is read: the newest first, or as the ranking has it. How it ranks is not ours to know."""

from collections.abc import Mapping
from time import perf_counter

from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.social.feed.cursor import Placed, Snapshot
from greenroom.actors.social.feed.reader import Reader, Served
from greenroom.actors.social.ranking.candidates import CANDIDATES_MAX, Candidate, Reason
from greenroom.actors.social.ranking.explain import explained
from greenroom.actors.social.ranking.messages import Explained, FeaturesOf, FeaturesShown
from greenroom.actors.social.ranking.model import Model, NoScores
from greenroom.actors.social.ranking.models import models
from greenroom.actors.social.ranking.order import LIGHT, NOTHING_KNOWN, Ranked, ranked
from greenroom.config.telemetry.ranking_instruments import RANKING

NEWEST = "newest"


def newest_first(feed: Reader, posts: Mapping[str, Reason]) -> Snapshot:
    newest = [Placed(post, posts[post]) for post in sorted(posts, reverse=True)]
    return Snapshot(newest, made_s=feed.now, ranking=NEWEST)


async def ranked_order(feed: Reader, candidates: list[Candidate]) -> Snapshot:
    """Of those that may be shown."""
    chosen = await models().choose(feed.key, feed.now)
    known = await _features(feed, {one.author for one in candidates})
    model = chosen.model
    began_s = perf_counter()
    try:
        order = ranked(candidates, known, now_ms=feed.now_ms, model=model)
    except NoScores as error:  # a page in a worse order is better than none
        models().gave_none(_version(model), str(error))
        model, order = None, ranked(candidates, known, now_ms=feed.now_ms)
    version, scored = _version(model), _scored(order)
    RANKING.ordered(version, chosen.experiment, posts=scored, seconds=perf_counter() - began_s)
    return Snapshot(order, made_s=feed.now, ranking=version, experiment=chosen.experiment)


def _scored(order: list[Ranked]) -> int:
    """Those behind the best have no values, and the light score."""
    return sum(1 for one in order if one.values)


async def is_by_what_ranks_now(feed: Reader, snapshot: Snapshot) -> bool:
    """Has neither the model been replaced since, nor an experiment begun or ended for its reader?"""
    chosen = await models().choose(feed.key, feed.now)
    return (snapshot.ranking, snapshot.experiment) == (_version(chosen.model), chosen.experiment)


def _version(model: Model | None) -> str:
    return model.version if model is not None else LIGHT


async def _features(feed: Reader, authors: set[str]) -> FeaturesShown:
    known = feed.features.get(authors, feed.now)
    if known is not None:
        return known
    asked = sorted(authors)[:CANDIDATES_MAX]
    try:
        said = await feed.ask(f"features:{feed.key}", FeaturesOf(authors=asked))
    except ActorError:
        RANKING.failed("features")
        feed.is_makeshift = True
        return NOTHING_KNOWN  # a page in a worse order is better than none
    return feed.features.put(authors, said, feed.now)


def ranked_by(served: Served) -> str:
    """What has put it there: of a ranked page, those behind the best have the light score and no model's."""
    is_lightly = served.ranking != NEWEST and not served.place.values
    return LIGHT if is_lightly else served.ranking


async def explain(feed: Reader, post: str) -> Explained:
    """Of a post that was shown lately. Raises: Refused."""
    served = feed.served.get(post)
    if served is None or not served.place.values:
        raise Refused("feed.not_ranked", "it was not ranked for you lately", status=404)
    model = (await models().choose(feed.key, feed.now)).model
    if served.ranking != _version(model):
        raise Refused("feed.ranked_otherwise", "the model is another by now: read anew", status=409)
    try:
        return explained(served.place.values, model)
    except NoScores as error:
        models().gave_none(_version(model), str(error))
        raise Refused("feed.not_explained", "the model fails", status=500) from error
