"""A feed alone, with rows of views that a test puts there."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from greenroom.actors.model.message import Event
from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.feed.messages import Arrived, FeedPage, FollowsChanged, Read
from greenroom.actors.social.follows.messages import Suggested, Suggestion
from greenroom.actors.social.follows.views import Authors, Followers
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.post.trends import Trends, hour_of
from greenroom.actors.social.post.views import Posts, SaidInPosts, Tagged, Wall, WhoReacted, reacted_key
from greenroom.actors.social.profile.views import Profiles
from greenroom.actors.social.ranking.messages import FeaturesShown
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.events import Begun, PageWritten
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.unwritten import Unwritten
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import Kit, fold

R = TypeVar("R")
DAY_S = 86_400.0


class World:
    """Posts, and who has them where. `me` is whose feed it is."""

    def __init__(self, me: str = "ann") -> None:
        self.me = me
        self.kit = Kit(Feed, key=me)
        self.posts: dict[str, Posts.Row] = {}
        self.authors: dict[str, Authors.Row] = {}
        self.profiles: dict[str, Profiles.Row] = {}
        self.happened: list[tuple[str, Event]] = []
        self.suggested: list[str] = []
        self.unknown: set[str] = set()  # whom the user follows, and no row says so yet
        self.mine: dict[str, str] = {}
        self.queries: list[type] = []  # classes of rows, as they were asked for
        self._number = 0
        self._tables: dict[Any, tuple[list[Any], int, int]] = {}  # rows, and of how many events
        kit = self.kit
        kit.when_asked("rules:all", lambda _: Verdict("fine"))
        kit.when_asked(f"features:{me}", lambda _: FeaturesShown({}, {}))
        kit.when_asked(f"follows:{me}", lambda _: Suggested([Suggestion(user, 1, []) for user in self.suggested]))
        self._play(Posts.Row, lambda key: [self.posts[key]] if key in self.posts else [])
        self._play(Authors.Row, lambda key: [self.authors[key]] if key in self.authors else [])
        self._play(Profiles.Row, lambda key: [self.profiles[key]] if key in self.profiles else [])
        self._play(
            Wall.Row, lambda key: [Wall.Row(author=key, id=row.id, is_story=row.is_story) for row in self._by(key)]
        )
        self._play(
            Tagged.Row,
            lambda key: [
                Tagged.Row(tag=key, id=row.id, author=row.author, is_story=row.is_story, visibility=row.visibility)
                for row in self._newest()
                if key in row.tags
            ],
        )
        self._play(Trends.Row, self._trends)
        self._play(SaidInPosts.Row, lambda _: [SaidInPosts.Row(id=row.id, text=row.text) for row in self._newest()])
        self._play(WhoReacted.Row, self._reacted)
        self._play(Arrivals.Row, lambda key: self.rows(Arrivals, lambda row: row.user == key)[::-1])
        self._play(Unwritten.Row, lambda key: self.rows(Unwritten, lambda row: row.author == key))
        self._play(Followers.Row, self._follower)
        self._play(Readers.Row, self._reader)

    def _play(self, row: type[R], rows: Callable[[str], list[R]]) -> None:
        def find(key: str, asked: Asked) -> Rows[R]:
            self.queries.append(row)
            first = int(asked.after or "0")
            found = [one for one in rows(key) if all(getattr(one, name) == it for name, it in asked.where.items())]
            if asked.search is not None:
                found = [one for one in found if asked.search in getattr(one, "text", "")]
            last = first + (asked.limit or 100)
            return Rows(found[first:last], next=str(last) if last < len(found) else None)

        self.kit.when_queried(row, find)

    def rows(self, view: Any, wanted: Callable[[Any], bool]) -> list[Any]:
        """What the view has of all that happened."""
        rows, *counts = self._tables.get(view, ([], 0, 0))
        new = [*self.happened[counts[0] :], *((self.kit.entity, event) for event in self.kit.events[counts[1] :])]
        of = [(entity, event) for entity, event in new if isinstance(event, view.of)]
        if of:
            rows = fold(view, of, any_order=False, rows=rows)
        self._tables[view] = rows, len(self.happened), len(self.kit.events)
        return [row for row in rows if wanted(row)]

    def _follower(self, author: str) -> list[Followers.Row]:
        is_known = author in self.kit.state.follows and author not in self.unknown
        return [Followers.Row(author=author, follower=self.me)] if is_known else []

    def _reader(self, user: str) -> list[Readers.Row]:
        """Folded without the time: that is when they were there last."""
        rows: list[Readers.Row] = self.rows(Readers, lambda row: row.user == user)
        for row in rows:
            row.at_ms = self.kit.state.returned_ms
        return rows

    def _newest(self) -> list[Posts.Row]:
        return sorted(self.posts.values(), key=lambda row: row.id, reverse=True)

    def _reacted(self, key: str) -> list[WhoReacted.Row]:
        return [WhoReacted.Row(of=key, source="post", reaction=self.mine[key])] if key in self.mine else []

    def _trends(self, hour: str) -> list[Trends.Row]:
        posts = [row for row in self._newest() if hour_of(row.at_ms) == hour]
        tags = {tag: len({row.author for row in posts if tag in row.tags}) for row in posts for tag in row.tags}
        rows = [Trends.Row(hour=hour, tag=tag, author="", authors=authors) for tag, authors in tags.items()]
        return sorted(rows, key=lambda row: -row.authors)

    def _by(self, author: str) -> list[Posts.Row]:
        return [row for row in self._newest() if row.author == author]

    # What others do.

    def follow(self, *authors: str, settled: bool = True) -> None:
        """`settled`: all that they have posted is written to their followers by now."""
        for author in authors:
            self.kit.tell(FollowsChanged(author=author, follows=True))
        if settled:
            self.read()  # for the first time, perhaps
            self.kit.advance(60.0)
            self.read()
            assert not self.kit.state.behind

    def unfollow(self, author: str) -> None:
        self.kit.tell(FollowsChanged(author=author, follows=False))

    def post(self, author: str, *, written: bool | None = True, **fields: Any) -> str:
        """The id of a post; `written` to this feed, or its author's wall is to be looked up. None: neither."""
        self._number += 1
        post = f"{(int(self.kit.now * 1000) << 80) + self._number:032x}"
        at_ms = int(self.kit.now * 1000)
        self.posts[post] = Posts.Row(id=post, author=author, at_ms=at_ms, **fields)
        if written is not None:
            self.spread(post, written=written)
        return post

    def spread(self, post: str, *, written: bool) -> None:
        """Bring it to its author's followers."""
        row = self.posts[post]
        entity, author, at_ms = f"spread:{row.id}", row.author, row.at_ms
        begun = Begun(author=author, at_ms=at_ms, is_story=row.is_story, is_written=written)
        self.happened.append((entity, begun))
        if written:
            page = PageWritten(page="1", author=author, at_ms=at_ms, kept=[self.me], shed=[], is_story=row.is_story)
            self.happened.append((entity, page))

    def nudge(self, post: str) -> None:
        row = self.posts[post]
        self.kit.tell(
            Arrived(post=post, author=row.author, at_ms=row.at_ms, is_story=row.is_story, visibility=row.visibility)
        )

    def react(self, post: str, mine: str = "") -> None:
        self.posts[post].reactions = {"like": 1}
        self.mine[reacted_key(post, self.me)] = mine

    # Its user.

    def read(self, **fields: Any) -> FeedPage:
        return self.kit.ask(Read(**{"order": "newest", **fields}), user=self.me)

    def ids(self, **fields: Any) -> list[str]:
        return ids(self.read(**fields).posts)


def ids(posts: Iterable[Any]) -> list[str]:
    return [one.id for one in posts]
