"""The home feed: found wherever it is, shown as far as it may be, page by page."""

import pytest

from greenroom import Refused
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.feed import home
from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.feed.cursor import CURSOR_S
from greenroom.actors.social.feed.events import Returned
from greenroom.actors.social.feed.messages import (
    BarredChanged,
    CloseChanged,
    MutedChanged,
    Post,
    Read,
    Seen,
    Signal,
    Stories,
)
from greenroom.actors.social.feed.reader import HELD_S, RANKED_S
from greenroom.actors.social.feed.trending import LOOK_S
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.names import WHOLE_S
from greenroom.actors.social.post.views import Posts, Wall
from greenroom.actors.social.profile.views import Profiles
from greenroom.actors.social.ranking.messages import FeaturesOf, FeaturesShown
from greenroom.actors.social.spread import share
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.events import PageWritten
from greenroom.store.views.asked import Asked, Rows
from tests.actors.social.feed.world import DAY_S, World, ids


def settled(world: World) -> None:
    """All that was followed is written to by now, and has been read."""
    world.kit.advance(60.0)
    world.read()


@pytest.fixture
def world() -> World:
    return World()


def test_the_newest_of_those_followed_come_first_with_their_names(world: World) -> None:
    world.follow("bob", "cyd")
    world.profiles["bob"] = Profiles.Row(user="bob", name="Bob", avatar="a" * 24)
    first, second = world.post("bob", text="one"), world.post("cyd", text="two")
    page = world.read()
    assert ids(page.posts) == [second, first]
    assert [(one.name, one.text, one.reason) for one in page.posts] == [
        ("", "two", "following"),
        ("Bob", "one", "following"),
    ]


def test_a_post_of_ones_own_is_there_before_any_row_says_so(world: World) -> None:
    made = world.kit.ask(Post(text="hello"), user="ann").id
    world.posts[made] = Posts.Row(id=made, author="ann", at_ms=1)
    assert [(one.id, one.reason) for one in world.read().posts] == [(made, "own")]


def test_a_story_of_ones_own_is_no_post(world: World) -> None:
    made = world.kit.ask(Post(text="today", is_story=True), user="ann").id
    ends_ms = int(world.kit.now * 1000) + 1_000
    world.posts[made] = Posts.Row(id=made, author="ann", at_ms=1, is_story=True, ends_ms=ends_ms)
    assert world.ids() == [] == ids(world.read(order="ranked").posts)
    assert ids(world.kit.ask(Stories(), user="ann").rings[0].stories) == [made]


def test_whoever_is_above_the_threshold_is_looked_up_by_who_reads(world: World) -> None:
    world.follow("bob", "eve")
    small, big = world.post("bob"), world.post("eve", written=False)
    world.kit.advance(60.0)
    assert world.ids() == [big, small]


def test_crossing_the_threshold_loses_nothing_and_shows_nothing_twice(world: World) -> None:
    """Written, not written, written again; and one that was written as well as found on the wall."""
    world.follow("eve")
    posts = [world.post("eve", written=written) for written in (True, False, True)]
    world.kit.advance(60.0)
    assert world.ids() == posts[::-1]


def test_a_delete_that_comes_before_what_it_deletes_leaves_a_row_that_shows_nothing(world: World) -> None:
    world.follow("bob")
    kept, gone = world.post("bob"), world.post("bob")
    del world.posts[gone]  # its page of followers is written after this
    assert gone in [one.id for one in world.rows(Arrivals, lambda _: True)]
    assert world.ids() == [kept]


def test_a_block_after_the_fan_out_holds_at_once_in_either_direction(world: World) -> None:
    world.follow("bob", "cyd", "dan")
    bobs, cyds, dans = (world.post(author) for author in ("bob", "cyd", "dan"))
    assert world.ids() == [dans, cyds, bobs]
    world.kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=True))
    assert world.ids() == [dans]
    world.kit.tell(BarredChanged(user="cyd", by_us=True, barred=True))
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=False))
    assert world.ids() == [dans], "one of the two still wants it"


def test_whoever_is_muted_is_not_shown_until_they_are_no_more(world: World) -> None:
    world.follow("bob")
    post = world.post("bob")
    world.kit.tell(MutedChanged(user="bob", muted=True))
    assert world.ids() == []
    world.kit.tell(MutedChanged(user="bob", muted=False))
    assert world.ids() == [post]


def test_what_was_unfollowed_does_not_come_back_when_the_feed_is_rebuilt(world: World) -> None:
    world.follow("bob", "cyd")
    bobs, cyds = world.post("bob"), world.post("cyd")
    world.unfollow("bob")
    assert world.ids() == [cyds]
    world.kit.advance(20 * DAY_S)
    assert world.ids() == [cyds], "its walls are looked at anew, and its old rows are still there"
    world.kit.advance(60.0)
    world.kit.restart(from_snapshot=True)
    assert world.ids() == [cyds]
    assert bobs in [one.id for one in world.rows(Arrivals, lambda _: True)]


def test_who_returns_after_two_weeks_finds_what_was_not_written_to_them(world: World) -> None:
    world.follow("bob")
    world.kit.advance(15 * DAY_S)
    away = world.post("bob", written=None)
    assert world.ids() == [away], "from the wall"
    settled(world)
    assert [one.id for one in world.rows(Arrivals, lambda _: True)] == [away], "and kept"
    assert not world.kit.state.behind
    assert [type(event).__name__ for event in world.kit.events].count("Returned") == 2, "the first, and this"


def test_reading_on_one_day_is_told_once(world: World) -> None:
    for _ in range(3):
        world.read()
        world.kit.advance(3_600.0)
    assert [type(event).__name__ for event in world.kit.events] == ["Returned"]


def test_a_read_that_fails_on_its_way_leaves_nothing_behind(world: World) -> None:
    def fail(key: str, asked: Asked) -> Rows[Wall.Row]:
        raise Unavailable("the view is being made")

    found = world.kit._world.found[Wall.Row]
    world.kit.when_queried(Wall.Row, fail)
    with pytest.raises(Unavailable):
        world.read()
    assert world.kit.events == []
    world.kit.when_queried(Wall.Row, found)
    world.read()
    assert [type(event).__name__ for event in world.kit.events] == ["Returned"]


def test_what_was_posted_just_before_one_followed_is_there(world: World) -> None:
    post = world.post("bob", written=None)
    world.follow("bob", settled=False)
    assert world.ids() == [post]
    late = world.post("bob", written=None)  # by followers that were counted before
    assert world.ids() == [late, post], "the wall is looked at until whoever writes knows of us"
    settled(world)
    count = len(world.kit.events)
    assert world.ids() == [late, post]
    assert len(world.kit.events) == count, "once"


def test_posts_for_followers_and_friends_are_shown_to_these_alone(world: World) -> None:
    world.follow("bob")
    followers, close = world.post("bob", visibility="followers"), world.post("bob", visibility="close")
    assert world.ids() == [followers]
    world.kit.tell(CloseChanged(author="bob", close=True))
    assert world.ids() == [close, followers]
    world.kit.tell(CloseChanged(author="bob", close=False))
    assert world.ids() == [followers]


@pytest.mark.parametrize("veil", ["is_pending", "is_shadowed"])
def test_what_moderators_hold_back_is_its_authors_alone(veil: str) -> None:
    for me, sees in (("ann", False), ("bob", True)):
        world = World(me)
        world.follow(*{"bob"} - {me})
        post = world.post("bob", **{veil: True})
        assert world.ids() == ([post] if sees else [])


def test_pages_of_a_list_that_moves_repeat_nothing_and_pass_over_nothing(world: World) -> None:
    world.follow("bob")
    posts = [world.post("bob") for _ in range(7)]
    page = world.read(limit=3)
    shown = ids(page.posts)
    gone = posts[3]
    while page.next is not None:
        world.post("bob")  # above all
        world.posts.pop(gone, None)
        again = world.read(limit=3, cursor=page.next)
        page = world.read(limit=3, cursor=page.next)
        assert again.posts == page.posts, "a page that is asked for again is the same"
        shown += ids(page.posts)
    assert shown == [post for post in posts[::-1] if post != gone]


def test_what_may_not_be_seen_any_more_is_gone_from_pages_to_come(world: World) -> None:
    world.follow("bob", "cyd", "dan", "eve")
    posts = {author: world.post(author) for author in ("bob", "cyd", "dan", "eve")}
    page = world.read(limit=1)
    world.unfollow("bob")
    world.kit.tell(MutedChanged(user="cyd", muted=True))
    world.kit.tell(BarredChanged(user="dan", by_us=False, barred=True))
    assert ids(page.posts) == [posts["eve"]]
    assert ids(world.read(limit=3, cursor=page.next).posts) == []


def test_a_cursor_expires_after_ten_minutes_and_is_its_users_alone(world: World) -> None:
    world.follow("bob")
    for _ in range(3):
        world.post("bob")
    cursor = world.read(limit=1).next
    other = World("zoe")
    with pytest.raises(Refused, match=r"feed\.bad_cursor"):
        other.read(cursor=cursor)
    world.kit.advance(CURSOR_S - 1)
    assert len(world.read(limit=1, cursor=cursor).posts) == 1
    world.kit.advance(2)
    with pytest.raises(Refused, match=r"feed\.cursor_expired") as refused:
        world.read(cursor=cursor)
    assert refused.value.status == 410


def test_a_cursor_outlives_its_feeds_sleep(world: World) -> None:
    world.follow("bob")
    posts = [world.post("bob") for _ in range(4)]
    first = world.read(limit=2)
    world.kit.restart()
    world.post("bob")
    assert ids(world.read(cursor=first.next).posts) == posts[1::-1]


@pytest.mark.parametrize("cursor", ["x", "0" * 400, "é" * 20])
def test_what_is_no_cursor_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(Refused, match=r"feed\.bad_cursor"):
        world.read(cursor=cursor)


def test_what_was_hidden_is_not_shown_again(world: World) -> None:
    world.follow("bob")
    hidden, kept = world.post("bob"), world.post("bob")
    world.kit.ask(Seen(signals=[Signal(post=hidden, did="hid")]), user="ann")
    assert world.ids() == [kept]


def test_who_follows_very_many_is_told_what_they_do_not_get(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "FOLLOWS_FULL", 3)
    monkeypatch.setattr(share, "FOLLOWS_FULL", 3)
    page = PageWritten(page="1", author="u1", at_ms=1, kept=[], shed=["ann"], is_story=False)
    world.happened += [(f"spread:{number}", page) for number in range(2)]
    world.follow("u1", "u2", "u3")
    assert (world.read().shed, world.read().kept_share) == (0, 1.0)
    world.follow("u4")
    assert (world.read().shed, world.read().kept_share) == (2, 0.75)


def test_nobody_else_reads_it(world: World) -> None:
    with pytest.raises(Refused, match=r"feed\.not_yours"):
        world.kit.ask(Read(), user="bob")
    with pytest.raises(Refused, match="unauthenticated"):
        world.kit.ask(Read(), user="")
    with pytest.raises(Refused, match=r"feed\.not_yours"):
        world.kit.watch(user="bob")


def test_a_ranked_page_suggests_public_posts_of_those_not_followed(world: World) -> None:
    world.suggested = ["dan", "eve", "fay"]
    world.authors["eve"] = Authors.Row(user="eve", private=True)
    seen, _ = world.post("dan", written=None), world.post("dan", written=None, visibility="followers")
    world.post("eve", written=None)
    page = world.read(order="ranked")
    assert [(one.id, one.reason) for one in page.posts] == [(seen, "suggested")]
    assert page.ranking == "light"


def test_who_reads_again_at_once_is_shown_the_same_order(world: World) -> None:
    world.follow("bob", "cyd")
    first = world.post("bob", text="x")
    world.kit.advance(1.0)
    second, third = world.post("cyd", text="x"), world.post("cyd", text="x")
    before = ids(world.read(order="ranked").posts)
    assert before[0] == second
    world.posts[first].reactions = {"like": 900}
    del world.posts[third]
    world.queries.clear()
    assert ids(world.read(order="ranked").posts) == [post for post in before if post != third], "but for what is gone"
    assert Arrivals.Row not in world.queries
    world.kit.ask(Seen(signals=[Signal(post=second, did="seen")]), user="ann")
    assert ids(world.read(order="ranked").posts) == [first, second], "until something was done"
    world.nudge(world.post("bob"))
    assert len(world.read(order="ranked").posts) == 3, "or has come"
    world.post("bob")
    world.kit.advance(WHOLE_S)
    assert len(world.read(order="ranked").posts) == 4, "or half a minute has passed"


def test_an_order_is_as_good_as_the_names_that_it_was_made_of(world: World) -> None:
    """All rows are read anew after so long, whoever was told of them or not; a page in between makes it no longer."""
    world.follow("bob")
    world.post("bob")
    world.kit.advance(WHOLE_S)  # rows that it has caught up with are there by now
    before = ids(world.read(order="ranked").posts)
    lost = world.post("bob")
    world.kit.advance(WHOLE_S - 1.0)
    assert ids(world.read(order="ranked").posts) == before
    assert lost in world.ids(), "the newest first are read each time"
    assert ids(world.read(order="ranked").posts) == before
    world.kit.advance(1.0)
    assert lost in ids(world.read(order="ranked").posts)


def looks(world: World) -> list[type]:
    """What was asked for to read a ranked page."""
    world.queries.clear()
    world.read(order="ranked")
    return list(world.queries)


def test_an_order_that_nothing_says_anything_against_holds_and_is_looked_at_with_its_page(world: World) -> None:
    world.follow("bob", "cyd")
    first, second = world.post("bob"), world.post("cyd")
    settled(world)
    before = ids(world.read(order="ranked").posts)
    world.kit.advance(WHOLE_S)
    found = looks(world)
    assert found.count(Arrivals.Row) == 1 and Wall.Row not in found, "its newest row, and nothing is gathered"
    assert ids(world.read(order="ranked").posts) == before
    assert Arrivals.Row not in looks(world), "and is good for another half a minute"
    world.kit.advance(WHOLE_S)
    del world.posts[second]
    assert ids(world.read(order="ranked").posts) == [first], "what is shown is read each time"
    world.kit.advance(HELD_S - 2 * WHOLE_S - 1.0)
    assert Wall.Row not in looks(world)
    world.kit.advance(1.0)
    assert Wall.Row in looks(world), "but not for ever"


def test_an_order_holds_no_longer_than_what_was_done_with_its_posts_counts(world: World) -> None:
    world.follow("bob", "cyd")
    first = world.post("bob", text="x")
    world.kit.advance(60.0)
    second = world.post("cyd", text="x")
    settled(world)
    assert ids(world.read(order="ranked").posts) == [second, first]
    world.kit.advance(WHOLE_S)
    world.posts[first].reactions = {"like": 900}
    assert ids(world.read(order="ranked").posts) == [first, second]


@pytest.mark.parametrize("was_pending", [False, True])
def test_an_order_does_not_hold_once_a_post_may_be_shown_that_might_not(world: World, was_pending: bool) -> None:
    """Its row was late, or a moderator had held it back."""
    world.follow("bob")
    other = world.post("bob")
    late = world.post("bob", is_pending=was_pending)
    row = world.posts[late]
    if not was_pending:
        del world.posts[late]
    settled(world)
    assert ids(world.read(order="ranked").posts) == [other]
    world.posts[late] = row
    row.is_pending = False
    world.kit.advance(WHOLE_S)
    assert set(ids(world.read(order="ranked").posts)) == {late, other}


def test_an_order_of_nothing_is_made_anew_after_half_a_minute(world: World) -> None:
    world.follow("bob")
    settled(world)
    assert world.read(order="ranked").posts == []
    post = world.post("bob")
    world.kit.advance(WHOLE_S)
    assert ids(world.read(order="ranked").posts) == [post], "though nobody has told of it"


def test_an_order_for_which_something_could_not_be_asked_does_not_hold(world: World) -> None:
    world.follow("bob")
    world.post("bob")
    settled(world)
    asked: list[FeaturesOf] = []

    def fail(message: FeaturesOf) -> FeaturesShown:
        asked.append(message)
        raise Unavailable("down")

    world.kit.when_asked("features:ann", fail)
    for _ in range(2):
        world.read(order="ranked")
        world.kit.advance(WHOLE_S)
    assert len(asked) == 2


def test_an_order_does_not_hold_where_a_tag_is_popular_by_now(world: World) -> None:
    world.follow("bob")
    post = world.post("bob")
    settled(world)
    assert ids(world.read(order="ranked").posts) == [post]
    found = {world.post(f"u{number}", written=None, tags=["tea"]) for number in range(3)}
    world.kit.advance(LOOK_S)
    assert set(ids(world.read(order="ranked").posts)) == {post, *found}


def test_a_row_that_does_not_come_up_makes_an_order_anew_once(world: World) -> None:
    world.follow("bob", "cyd")
    post = world.post("bob")
    settled(world)
    world.kit.tell(MutedChanged(user="cyd", muted=True))
    assert ids(world.read(order="ranked").posts) == [post]
    world.post("cyd")
    for _ in range(2):
        world.kit.advance(WHOLE_S)
        world.read(order="ranked")
    world.kit.advance(WHOLE_S)
    assert looks(world).count(Arrivals.Row) == 1
    new = world.post("bob")
    world.kit.advance(WHOLE_S)
    assert set(ids(world.read(order="ranked").posts)) == {post, new}


def test_what_was_shown_among_the_newest_is_of_the_order_as_well(world: World) -> None:
    world.follow("bob")
    old = world.post("bob", written=None)
    newer = world.post("bob")
    settled(world)
    assert ids(world.read(order="ranked").posts) == [newer]
    world.nudge(old)
    assert world.ids() == [newer, old]
    assert set(ids(world.read(order="ranked").posts)) == {newer, old}, "though nothing is new any more"


def test_an_order_is_good_for_less_where_posts_of_somebody_are_not_written(world: World) -> None:
    world.follow("bob", "eve")
    world.post("bob")
    world.post("eve", written=False)
    world.kit.advance(WHOLE_S)
    before = ids(world.read(order="ranked").posts)
    new = world.post("eve", written=False)
    world.kit.advance(RANKED_S - 1.0)
    assert ids(world.read(order="ranked").posts) == before
    world.kit.advance(1.0)
    assert new in ids(world.read(order="ranked").posts)


def test_no_more_rows_of_posts_are_read_than_a_page_shows(world: World) -> None:
    world.follow("bob")
    posts = [world.post("bob") for _ in range(40)]
    world.queries.clear()
    assert world.ids(limit=3) == posts[:-4:-1]
    assert world.queries.count(Posts.Row) <= 10


def test_a_page_is_full_though_much_is_gone(world: World) -> None:
    world.follow("bob")
    posts = [world.post("bob") for _ in range(60)]
    for post in posts[10:50]:
        del world.posts[post]
    page = world.read(limit=15)
    assert ids(page.posts) == [*posts[:49:-1], *posts[9:4:-1]]
    assert ids(world.read(limit=15, cursor=page.next).posts) == posts[4::-1]


def test_a_share_shows_what_it_shares_only_to_who_may_see_that(world: World) -> None:
    world.follow("bob")
    original = world.post("cyd", written=None, text="deep")
    share = world.post("bob", share_of=original)
    assert world.read().posts[0].shared is not None
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=True))
    assert [(one.id, one.shared) for one in world.read().posts] == [(share, None)]


def test_the_readers_own_reaction_is_shown(world: World) -> None:
    world.follow("bob")
    liked, _ = world.post("bob"), world.post("bob")
    world.react(liked, "love")
    assert [one.mine for one in world.read().posts] == ["", "love"]


@pytest.mark.parametrize("order", ["newest", "ranked"])
@pytest.mark.parametrize("how", ["unfollowed", "muted", "blocked", "hidden", "deleted"])
def test_what_may_not_come_up_takes_nobodys_place(
    world: World, monkeypatch: pytest.MonkeyPatch, order: str, how: str
) -> None:
    monkeypatch.setattr(home, "NEWEST_MAX", 6)
    monkeypatch.setattr(home, "RANKED_MAX", 6)
    world.follow("bob", "cyd")
    older = [world.post("cyd") for _ in range(2)]
    world.kit.advance(DAY_S + 1.0)
    newer = [world.post("bob") for _ in range(20)]
    match how:
        case "unfollowed":
            world.unfollow("bob")
        case "muted":
            world.kit.tell(MutedChanged(user="bob", muted=True))
        case "blocked":
            world.kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
        case "hidden":
            world.kit.ask(Seen(signals=[Signal(post=post, did="hid") for post in newer]), user="ann")
        case _:
            for post in newer:
                del world.posts[post]
    assert sorted(world.ids(order=order)) == older
    returned = [event for event in world.kit.events if isinstance(event, Returned)]
    assert len(returned) == 2, "for the first time, and today: looked at twice, and noted once"


def test_what_is_gone_is_looked_past_only_where_a_page_is_short(world: World) -> None:
    world.follow("bob")
    for _ in range(40):
        world.post("bob")
    world.queries.clear()
    world.read(limit=3)
    assert world.queries.count(Arrivals.Row) == 1 and world.queries.count(Posts.Row) <= 10


@pytest.mark.bound("posts that an order was made of")
def test_an_order_is_of_so_many_and_what_is_older_says_nothing_against_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "RANKED_MAX", 4)
    world.follow("bob")
    posts = [world.post("bob") for _ in range(6)]
    settled(world)
    world.read(order="ranked")
    feed = world.kit.actor
    assert isinstance(feed, Feed)
    order = feed.ranked_lately()
    assert order is not None and set(order.of.posts) == set(posts[2:])
    assert not order.of.lacks_any_of(posts)
