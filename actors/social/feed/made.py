"""What an author has posted lately, for who has come to follow them, or is back after long.

Posts are written to followers by rows, which may be late: of a new follower, and of posts on a wall. So once the rows
say that somebody follows, they ask the author's feed, which has named each post before it was published: what is not
among these is published later, and written to them.

Where the author's feed is awake on the same node a glance says what there is: then nobody is told anything, and what is
lacking, which is mostly nothing, is kept with what the walls had. A question and an answer of each of a hundred authors
are hundreds of appends, and it comes at each return.
"""

from collections.abc import Collection, Coroutine, Iterable, Mapping
from itertools import islice
from typing import Any

from greenroom.actors.social.feed.events import ENTRIES_MAX, CaughtUp, Entry
from greenroom.actors.social.feed.messages import Made, MadeAsk, MadeShown, SayMade
from greenroom.actors.social.feed.privacy import is_barred
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.state import STORY_MS, named
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.views import Posts

ASKED_MAX = 100  # authors, at once: those followed last


def asked_of(behind: Mapping[str, int], settled_ms: int) -> list[str]:
    """Whom to ask: of those with whom it catches up."""
    settled = (user for user in reversed(list(behind)) if behind[user] < settled_ms)
    return list(islice(settled, ASKED_MAX))


def say(feed: Reader, ask: SayMade) -> None:
    stories = set(feed.state.stories)
    posts = [
        post
        for post in named(feed.state, feed.now_ms)
        if _is_new(post, ask, is_story=post in stories, now_ms=feed.now_ms)
    ]
    if posts and not is_barred(feed.state, ask.reader):
        told = [post for post in feed.state.stories if post in posts]
        feed.tell(f"feed:{ask.reader}", Made(author=feed.key, posts=posts, stories=told))


def _is_new(post: str, ask: SayMade, *, is_story: bool, now_ms: int) -> bool:
    """What is older than a full wall was left out: it shows the newest alone. What came since is written to followers,
    unless they were not known yet: that is lacking, beyond what a wall shows. So is a story until it ends:
    posts have filled the wall, and a ring shows none of them."""
    at_ms = ms_of(post)
    return ask.after is None or post > ask.after or at_ms >= ask.since_ms or (is_story and at_ms > now_ms - STORY_MS)


def shown(feed: Reader, ask: MadeAsk) -> MadeShown:
    if is_barred(feed.state, ask.reader):
        return MadeShown([], [])
    posts = named(feed.state, feed.now_ms)
    return MadeShown(posts, [post for post in feed.state.stories if post in posts])


async def all_of(
    feed: Reader,
    walls: list[Entry],
    besides: list[Entry],
    behind: Mapping[str, int],
    authors: Iterable[str],
    most: int,
) -> tuple[list[Entry], dict[str, SayMade]]:
    """With what is on the walls, the newest `most` of each, and `besides`, what those who are near have posted and is
    neither; and who is to be asked what, for they are not. `behind`: since when each is followed. Raises: as
    Actor.query_pages."""
    on_wall: dict[str, list[str]] = {}
    for entry in walls:
        on_wall.setdefault(entry.author, []).append(entry.post)
    found = [*walls, *besides]
    looked_up = {entry.post for entry in found}
    are_stories = {entry.post for entry in found if entry.is_story}
    lacking: dict[str, Entry] = {}
    far: dict[str, SayMade] = {}
    for author in authors:
        made = feed.glance(f"feed:{author}", MadeAsk(reader=feed.key))
        shown = on_wall.get(author, [])
        ask = SayMade(reader=feed.key)
        if len(shown) >= most:
            ask = SayMade(reader=feed.key, after=min(shown), since_ms=behind[author])
        if made is None:
            far[author] = ask
        elif made.posts:
            stories = set(made.stories)
            for post in made.posts:
                is_story = post in stories
                has_row = feed.names.has(post) and not is_story  # as of one that is deleted, which no wall shows
                is_known = post in looked_up and (post in are_stories or not is_story)
                if not (has_row or is_known) and _is_new(post, ask, is_story=is_story, now_ms=feed.now_ms):
                    lacking[post] = Entry(post, author, ms_of(post), is_story)
    if lacking:
        lacking = {entry.post: entry for entry in newest_kept(lacking.values(), feed.now_ms)}
        rows = await _stories_among(feed, lacking)
        lacking = {post: entry if post not in rows else _as_story(entry) for post, entry in lacking.items()}
    return [*(entry for entry in found if entry.post not in lacking), *lacking.values()], far


def newest_kept(entries: Iterable[Entry], now_ms: int) -> list[Entry]:
    """As many as one event has, the newest: of stories that have not ended and of all others half each, or more where
    there are fewer of the other. Nobody looks at these walls again, and stories are gone in a day."""
    found = {entry.post: entry for entry in entries}
    newest = [found[post] for post in sorted(found, reverse=True)]
    stories = [one for one in newest if one.is_story and one.at_ms > now_ms - STORY_MS]
    others = [one for one in newest if not (one.is_story and one.at_ms > now_ms - STORY_MS)]
    stories = stories[: max(ENTRIES_MAX // 2, ENTRIES_MAX - len(others))]
    return [*stories, *others[: ENTRIES_MAX - len(stories)]]


def _as_story(entry: Entry) -> Entry:
    return Entry(entry.post, entry.author, entry.at_ms, is_story=True)


async def _stories_among(feed: Reader, posts: Iterable[str]) -> set[str]:
    """As far as rows say: of posts made by a release that said nothing."""
    rows = await feed.query_pages(Posts.Row, list(posts), limit=1)
    return {post for post, (row,) in rows.items() if row.is_story}


def take(feed: Reader, made: Made) -> Coroutine[Any, Any, None] | None:
    """Keep those that have no row here yet as if they had been written here. Mostly there are none: walls had them."""
    if made.author not in feed.state.follows:
        return None
    stories = set(made.stories)
    lacking = _lacking(feed, made.posts, stories)
    if not lacking:
        return None

    async def keep() -> None:
        are_stories = await _stories_among(feed, lacking) | stories
        entries = [Entry(post, made.author, ms_of(post), post in are_stories) for post in lacking]
        feed.record(CaughtUp(followed_ms=0, entries=entries))
        feed.names.doubt(feed.now)

    return keep()


def _lacking(feed: Reader, posts: Iterable[str], stories: Collection[str]) -> list[str]:
    """Those without a row here; and stories, of which a row may not know yet that they are."""
    known = {entry.post for entry in feed.caught_up(feed.now) if entry.is_story or entry.post not in stories}
    return [post for post in posts if post not in known and (post in stories or not feed.names.has(post))]
