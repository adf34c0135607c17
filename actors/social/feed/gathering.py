"""Where the posts of a home feed come from, before anybody asks whether they may be seen.

    what was written here      the view `arrivals`
    what was not               the walls of those followed whose posts are not written: the view `unwritten`
    what it is behind with     the walls of those followed a moment ago; of all, where its user was away for long
    what it has just heard of  nudges, and its user's own posts

Rows name posts; the same one found twice is one.
"""

from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct

from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.feed.cursor import Placed
from greenroom.actors.social.feed.events import CaughtUp, Entry, Returned, Trimmed
from greenroom.actors.social.feed.made import ASKED_MAX, all_of, asked_of, newest_kept
from greenroom.actors.social.feed.privacy import is_barred
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.rows import ROWS_MAX as LOOKED_AT_MAX
from greenroom.actors.social.feed.rows import visible
from greenroom.actors.social.feed.state import STORY_MS, named
from greenroom.actors.social.follows.messages import Suggest
from greenroom.actors.social.follows.views import Followers
from greenroom.actors.social.known.names import entry_of
from greenroom.actors.social.known.on_node import CAUGHT_UP_EACH, WALL_MAX
from greenroom.actors.social.known.walls import newest_of, unwritten, walls
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.views import Wall
from greenroom.actors.social.ranking.candidates import Reason
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.share import AWAY_S
from greenroom.actors.social.spread.unwritten import Unwritten

STORIES_MAX = 300  # that are looked at, the newest
LOUD_MAX = 100  # authors whose walls are looked up, those with the newest posts
KEYS_MAX, ROWS_MAX = 1_000, 5_000  # of one query of many pages
DAY_S = 86_400.0
COLD_S = AWAY_S - 86_400.0  # a day before others think so: the row that tells them is a day old, and clocks differ
BEHIND_FEW = 500  # of more authors, half as much of each
SETTLED_S = 10.0  # after that, whoever writes to followers knows of a new one, as a rule: see _is_written_to
SETTLED_MANY_S = 120.0  # of more authors than are asked what they have posted: see made.py
ROWS_KEPT_MAX = 1_000  # of `arrivals`
ROUNDS_MAX = 4  # queries of them for one page: with 300 rows each, nearly all of those
TRIMMED_MAX = 500  # at once
SUGGESTED_MAX = 10
SUGGESTED_POSTS = 3  # of each


class Gathered(Struct, frozen=True):
    """The newest of those whom a user follows, and their own."""

    posts: dict[str, Reason]  # the newest first
    is_all: bool  # nothing older was written here


async def candidates(feed: Reader, most: int, *, looked_up: bool = False, remembered: bool = False) -> Gathered:
    """`looked_up`: without what is gone or may not be seen. It takes a look at each, and shows what is behind them.
    `remembered`: of what its node and it remember, which may be some seconds old: see known/."""
    entries, is_all = await _entries(feed, most, looked_up=looked_up, remembered=remembered and not looked_up)
    followed = {entry.post: entry.author for entry in entries if not entry.is_story}
    newest = sorted(followed, reverse=True)[:most]
    return Gathered({post: "own" if followed[post] == feed.key else "following" for post in newest}, is_all)


async def stories(feed: Reader) -> list[str]:
    """Ids of stories, oldest first, of which some may have ended: the newest that can be looked at."""
    begun = feed.now_ms - int(DAY_S * 1000)
    return sorted(
        {
            entry.post
            for entry in (await _entries(feed, STORIES_MAX, stories=True, since_ms=begun))[0]
            if entry.is_story and ms_of(entry.post) > begun
        }
    )[-LOOKED_AT_MAX:]


async def _entries(
    feed: Reader,
    most: int,
    *,
    stories: bool = False,
    since_ms: int = 0,
    looked_up: bool = False,
    remembered: bool = False,
) -> tuple[list[Entry], bool]:
    """Of whom its user follows, and its user's own; and whether these are all."""
    found = await _behind(feed, remembered=remembered, stories=stories) + feed.caught_up(feed.now)
    authors = await _loud(feed, remembered=remembered)
    if authors and not remembered:
        found += await _walls(feed, authors, min(WALL_MAX, ROWS_MAX // len(authors)), stories=stories)
    if remembered:
        found += await _walls_known(feed, authors)
    found += [Entry(one.post, one.author, one.at_ms, one.is_story) for one in feed.heard]
    found = [entry for entry in found if _may_come_up(feed, entry)]
    own = await (_own_known(feed) if remembered else _walls(feed, [feed.key], WALL_MAX, stories=stories))
    own += _made(feed, own, stories=stories)
    arrived = await feed.names.newest(feed, most, lambda entry: _may_come_up(feed, entry)) if remembered else None
    if arrived is None:
        arrived = await _arrived(feed, most, stories=stories, since_ms=since_ms, looked_up=looked_up)
    return found + arrived[0] + own, arrived[1]


async def _arrived(
    feed: Reader, most: int, *, stories: bool, since_ms: int, looked_up: bool
) -> tuple[list[Entry], bool]:
    """The newest that were written here, and whether that is all. Rows of who was unfollowed, muted or blocked since
    are passed over: they are to take nobody's place."""
    entries: list[Entry] = []
    everything: list[Entry] = []
    after: str | None = None
    for _ in range(ROUNDS_MAX):
        found = await feed.query(Arrivals.Row, feed.key, limit=most, after=after, where={"is_story": stories})
        read = [entry_of(row) for row in found.rows]
        everything += read
        new = [entry for entry in read if _may_come_up(feed, entry)]
        if looked_up:
            seen = (await visible(feed, (entry.post for entry in new))).posts
            new = [entry for entry in new if entry.post in seen]
        entries += new
        after = found.next
        if after is None or len(entries) >= most or ms_of(found.rows[-1].id) < since_ms:
            break
    if not stories:
        feed.names.keep(everything, feed.now, is_all=after is None)
    return entries, after is None


def _may_come_up(feed: Reader, entry: Entry) -> bool:
    state, author = feed.state, entry.author
    is_followed = author in state.follows and not is_barred(state, author)
    return is_followed and author not in state.muted and entry.post not in state.hid


async def _own_known(feed: Reader) -> list[Entry]:
    """What is newer its user has made here: see `_made`."""
    posts = feed.own.get(feed.now)
    if posts is None:
        wall = await _walls(feed, [feed.key], WALL_MAX, stories=False)
        posts = feed.own.put([entry.post for entry in wall], feed.now)
    return [Entry(post, feed.key, ms_of(post)) for post in posts]


def _made(feed: Reader, wall: list[Entry], *, stories: bool) -> list[Entry]:
    """Those of its user's that their wall does not have yet. What they are, their rows say."""
    known = {entry.post for entry in wall}
    made = named(feed.state, feed.now_ms) if stories else feed.state.made
    return [Entry(post, feed.key, ms_of(post), stories) for post in made if post not in known]


# Of whom nothing is written.


async def loud(feed: Reader) -> list[str]:
    """As its node has looked them up lately."""
    return await _loud(feed, remembered=True)


async def _loud(feed: Reader, *, remembered: bool) -> list[str]:
    known = feed.loud.get(feed.now)
    if known is not None:
        return [author for author in known if author in feed.state.follows]
    rows: list[Unwritten.Row] = []
    state = feed.state
    followed = (user for user in state.follows if user not in state.muted)
    if remembered:
        rows = await unwritten(feed, followed)
    else:
        for authors in _parts(followed, KEYS_MAX):
            rows += [row for (row,) in (await feed.query_pages(Unwritten.Row, authors, limit=1)).values()]
    rows.sort(key=lambda row: max(row.last, row.story), reverse=True)
    return feed.loud.put([row.author for row in rows[:LOUD_MAX]], feed.now)


async def _walls(feed: Reader, authors: list[str], most: int, *, stories: bool | None = None) -> list[Entry]:
    where = {} if stories is None else {"is_story": stories}
    pages = await feed.query_pages(Wall.Row, authors, limit=most, where=where)
    return [Entry(row.id, author, ms_of(row.id), row.is_story) for author, rows in pages.items() for row in rows]


async def _walls_of(feed: Reader, users: Iterable[str], most: int, *, stories: bool | None = None) -> list[Entry]:
    """Of however many."""
    entries: list[Entry] = []
    for authors in _parts(users, min(KEYS_MAX, ROWS_MAX // most)):
        entries += await _walls(feed, authors, most, stories=stories)
    return entries


async def _stories_of(feed: Reader, users: Iterable[str], most: int) -> list[Entry]:
    """That have not ended."""
    begun_ms = feed.now_ms - STORY_MS
    return [one for one in await _walls_of(feed, users, most, stories=True) if one.at_ms > begun_ms]


async def _walls_known(feed: Reader, authors: list[str]) -> list[Entry]:
    """Without stories, as its node has read them lately."""
    found = await walls(feed, authors) if authors else {}
    return [Entry(post, author, ms_of(post)) for author, posts in found.items() for post in posts]


# What it is behind with.


async def catch_up(feed: Reader) -> None:
    """Look at the walls of those with whom it is behind, and keep what is there, though nobody reads just now."""
    await _behind(feed, remembered=True, stories=False)


def settles_in_s(feed: Reader) -> float:
    """From now, if all of those with whom it is behind were followed now."""
    return SETTLED_S if len(feed.state.behind) <= ASKED_MAX else SETTLED_MANY_S


async def _behind(feed: Reader, *, remembered: bool, stories: bool) -> list[Entry]:
    """Look at the walls of whom it was not written to by, and keep what is there, once that can be all of it. Where
    walls are those that its node knows, they may lack a few seconds: so do their rows, which is why authors are asked.

    `stories`: these are wanted. A wall shows the newest alone, so those of posts and of stories are two: neither is
    behind the other.
    """
    state, now_ms = feed.state, feed.now_ms
    was_long_away = state.returned_ms < now_ms - COLD_S * 1000
    if state.returned_ms < now_ms - DAY_S * 1000:
        feed.note(Returned(after_long=was_long_away))
        feed.is_trimmed = False
    behind = dict.fromkeys(state.follows, now_ms) if was_long_away else dict(state.behind)
    if not behind:
        return []
    entries: list[Entry] = []
    are_few = len(behind) <= BEHIND_FEW
    most = CAUGHT_UP_EACH if are_few else CAUGHT_UP_EACH // 2
    if remembered and are_few:
        entries += [entry for wall in (await newest_of(feed, behind)).values() for entry in wall]
    else:
        entries += await _walls_of(feed, behind, most, stories=False)
    of_stories = await _stories_of(feed, behind, most) if stories else []
    within_ms = int((SETTLED_S if len(behind) <= ASKED_MAX else SETTLED_MANY_S) * 1000)
    settled_ms = _settled_ms(behind.values(), now_ms, within_ms)
    settled = [author for author, since in behind.items() if since < settled_ms]
    if settled and await _is_written_to(feed, settled):
        asked = asked_of(behind, settled_ms)
        if not stories:
            of_stories = await _stories_of(feed, settled, most)
        walls, besides = (
            [entry for entry in part if behind.get(entry.author, now_ms) < settled_ms] for part in (entries, of_stories)
        )
        kept, far = await all_of(feed, walls, besides, behind, asked, most)
        kept = newest_kept(kept, now_ms)
        feed.note(CaughtUp(followed_ms=settled_ms, entries=kept))
        feed.to_ask = far
        feed.remember_caught_up(kept, feed.now)
    return [*entries, *of_stories]


def _settled_ms(followed: Collection[int], now_ms: int, within_ms: int) -> int:
    """Who was followed before that is followed for so long. Also who will have been in a time to come, by a clock that
    was ahead then: else walls would be looked at until that time. Unless somebody was followed just now."""
    settled_ms = now_ms - within_ms
    if all(since < settled_ms or since > now_ms + within_ms for since in followed):
        return max(settled_ms, *(since + 1 for since in followed))
    return settled_ms


async def _is_written_to(feed: Reader, authors: list[str]) -> bool:
    """Do those who write to followers know by now that its user is there, and follows these? They go by rows, which may
    come late: until then walls are looked at. What these may lack, which are rows too, its author says: see made.py."""
    found = await feed.query_pages(Readers.Row, [feed.key], limit=1)
    if not found or found[feed.key][0].at_ms < feed.now_ms - int(COLD_S * 1000):
        return False
    for part in _parts(authors, KEYS_MAX):
        edges = await feed.query_pages(Followers.Row, part, limit=1, where={"follower": feed.key})
        if len(edges) < len(part):
            return False
    return True


async def trim(feed: Reader) -> None:
    """Keep the rows of its feed within their bound: looked at once in a life, and each day."""
    if feed.is_trimmed:
        return
    newest = await feed.query(Arrivals.Row, feed.key, limit=ROWS_KEPT_MAX)
    if newest.next is not None:
        older = await feed.query(Arrivals.Row, feed.key, limit=TRIMMED_MAX, after=newest.next)
        if older.rows:
            feed.note(Trimmed(posts=[row.id for row in older.rows]))
        feed.is_trimmed = older.next is None
    else:
        feed.is_trimmed = True


# Of whom its user does not follow.


async def suggested(feed: Reader) -> list[Placed]:
    authors = feed.suggested.get(feed.now)
    if authors is None:
        try:
            found = await feed.ask(f"follows:{feed.key}", Suggest(limit=SUGGESTED_MAX))
        except ActorError:
            feed.is_makeshift = True
            return []  # a page without suggestions is one
        authors = feed.suggested.put([one.user for one in found.users][:SUGGESTED_MAX], feed.now)
    authors = [one for one in authors if one not in feed.state.follows and one != feed.key]
    if not authors:
        return []
    newest = await walls(feed, authors)
    return [Placed(post, "suggested") for posts in newest.values() for post in posts[:SUGGESTED_POSTS]]


def _parts(users: Iterable[str], most: int) -> Iterator[list[str]]:
    everybody = list(users)
    for first in range(0, len(everybody), most):
        yield everybody[first : first + most]
