"""Whatever happens in whatever order, a feed comes to what computing it anew from all that happened comes to."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.social.feed.messages import BarredChanged, CloseChanged, MutedChanged, Visibility
from greenroom.actors.social.feed.reader import LOUD_S
from tests.actors.social.feed.world import DAY_S, World

AUTHORS = st.sampled_from(["bob", "cyd", "eve"])
VISIBILITIES: st.SearchStrategy[Visibility] = st.sampled_from(["public", "followers", "close"])


class Truth:
    """The world, and whom its user may see by all that was said."""

    def __init__(self) -> None:
        self.world = World()
        self.world.read()
        self.follows: set[str] = set()
        self.muted: set[str] = set()
        self.barred: set[tuple[str, bool]] = set()
        self.close: set[str] = set()
        self.posts: list[tuple[str, str, Visibility]] = []
        self.late: list[Callable[[], None]] = []  # what has not come to its feed yet

    # What may happen.

    def follow(self, author: str) -> None:
        if author not in {user for user, _ in self.barred}:
            self.follows.add(author)
            self.world.follow(author, settled=False)

    def unfollow(self, author: str) -> None:
        self.follows.discard(author)
        self.world.unfollow(author)

    def mute(self, user: str, muted: bool) -> None:
        (self.muted.add if muted else self.muted.discard)(user)
        self.world.kit.tell(MutedChanged(user=user, muted=muted))

    def bar(self, user: str, by_us: bool, barred: bool) -> None:
        if barred:
            self.unfollow(user)
        (self.barred.add if barred else self.barred.discard)((user, by_us))
        self.world.kit.tell(BarredChanged(user=user, by_us=by_us, barred=barred))

    def befriend(self, author: str, close: bool) -> None:
        (self.close.add if close else self.close.discard)(author)
        self.world.kit.tell(CloseChanged(author=author, close=close))

    def post(self, author: str, visibility: Visibility, written: bool, nudge: bool, late: bool) -> None:
        """By a fan-out as it is: to who follows now, or followed when its followers were listed."""
        self.world.kit.advance(1.0)
        is_told = author in self.follows
        post = self.world.post(author, visibility=visibility, written=None)
        self.posts.append((post, author, visibility))

        def spread() -> None:
            if is_told and not self.is_away and post in self.world.posts:
                self.world.spread(post, written=written)

        (self.late.append if late and written else lambda do: do())(spread)
        if nudge:
            self.world.nudge(post)

    def delete(self, number: int) -> None:
        if self.posts:
            post, *_ = self.posts.pop(number % len(self.posts))
            self.world.posts.pop(post)

    def pass_time(self, days: int) -> None:
        self.settle()
        self.world.kit.advance(days * DAY_S)

    def read(self, limit: int) -> None:
        self.world.read(limit=limit)

    def wake(self, from_snapshot: bool) -> None:
        self.world.kit.restart(from_snapshot=from_snapshot)

    @property
    def is_away(self) -> bool:
        return self.world.kit.now - self.world.kit.state.returned_ms / 1000 > 14 * DAY_S

    def settle(self) -> None:
        while self.late:
            self.late.pop(0)()

    def expected(self) -> list[str]:
        barred = {user for user, _ in self.barred}

        def is_seen(author: str, visibility: Visibility) -> bool:
            return (
                author in self.follows
                and author not in self.muted | barred
                and (visibility != "close" or author in self.close)
            )

        return sorted((post for post, author, visibility in self.posts if is_seen(author, visibility)), reverse=True)


def doing(name: str, *values: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[str, tuple[object, ...]]]:
    return st.tuples(st.just(name), st.tuples(*values))


STEPS = st.one_of(
    doing("follow", AUTHORS),
    doing("unfollow", AUTHORS),
    doing("mute", AUTHORS, st.booleans()),
    doing("bar", AUTHORS, st.booleans(), st.booleans()),
    doing("befriend", AUTHORS, st.booleans()),
    doing("post", AUTHORS, VISIBILITIES, st.booleans(), st.booleans(), st.booleans()),
    doing("delete", st.integers(0, 9)),
    doing("pass_time", st.sampled_from([0, 1, 8, 20])),
    doing("read", st.integers(1, 3)),
    doing("wake", st.booleans()),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=25))
def test_a_feed_is_what_all_that_happened_comes_to(steps: list[tuple[str, tuple[object, ...]]]) -> None:
    truth = Truth()
    for name, values in steps:
        getattr(truth, name)(*values)
    truth.settle()
    truth.world.kit.advance(LOUD_S)  # as long as it may be remembered who has to be looked up
    expected = truth.expected()
    shown: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = truth.world.read(limit=4, cursor=cursor)
        shown += [post.id for post in page.posts]
        cursor = page.next
        if cursor is None:
            break
    assert shown == expected
    truth.world.kit.advance(60.0)
    assert truth.world.ids(limit=100) == expected, "and once it is settled, from its own rows"
    truth.world.kit.advance(60.0)
    assert truth.world.ids(limit=100) == expected
