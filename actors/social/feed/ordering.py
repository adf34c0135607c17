"""In which order a home feed is read: the newest first, or as the ranking has it. How it ranks is not ours to know."""

from collections.abc import Iterable

from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.social.feed.cursor import Placed, Snapshot
from greenroom.actors.social.feed.reader import Reader, Served
from greenroom.actors.social.feed.rows import Found
from greenroom.actors.social.post.views import Posts
from greenroom.actors.social.ranking.candidates import CANDIDATES_MAX, Candidate, Reason
from greenroom.actors.social.ranking.explain import explained
from greenroom.actors.social.ranking.messages import Explained, FeaturesOf, FeaturesShown
from greenroom.actors.social.ranking.models import models
from greenroom.actors.social.ranking.order import LIGHT, NOTHING_KNOWN, ranked

NEWEST = "newest"


def newest_first(feed: Reader, places: Iterable[Placed]) -> Snapshot:
    newest = sorted(places, key=lambda place: place.post, reverse=True)
    return Snapshot(newest, made_s=feed.now, ranking=NEWEST)


async def ranked_order(feed: Reader, places: Iterable[Placed], found: Found) -> Snapshot:
    """`places` are those of posts that were found."""
    chosen = await models().choose(feed.key, feed.now)
    reasons = {place.post: place.reason for place in places}
    candidates = [candidate(feed, found.posts[post], reason, found) for post, reason in reasons.items()]
    known = await _features(feed, {one.author for one in candidates})
    posts = ranked(candidates, known, now_ms=feed.now_ms, model=chosen.model)
    return Snapshot(
        [Placed(one.post, reasons[one.post], one.score, one.values) for one in posts],
        made_s=feed.now,
        ranking=chosen.model.version if chosen.model is not None else LIGHT,
        experiment=chosen.experiment,
    )


def candidate(feed: Reader, row: Posts.Row, reason: Reason, found: Found) -> Candidate:
    author = found.authors.get(row.author)
    return Candidate(
        post=row.id,
        author=row.author,
        at_ms=row.at_ms,
        reason=reason,
        reactions=sum(row.reactions.values()),
        comments=row.comments,
        shares=row.shares,
        media=len(row.media),
        chars=len(row.text),
        is_share=bool(row.share_of),
        followers=author.followers if author is not None else 0,
        seen=row.id in feed.state.seen,
    )


async def _features(feed: Reader, authors: set[str]) -> FeaturesShown:
    try:
        return await feed.ask(f"features:{feed.key}", FeaturesOf(authors=sorted(authors)[:CANDIDATES_MAX]))
    except ActorError:
        return NOTHING_KNOWN  # a page in a worse order is better than none


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
    if served.ranking != (model.version if model is not None else LIGHT):
        raise Refused("feed.ranked_otherwise", "the model is another by now: read anew", status=409)
    return explained(served.place.values, model)
