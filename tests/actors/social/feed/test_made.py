"""Nothing is lost between a follow and the rows that say so."""

from functools import partial
from typing import Literal

import pytest

from greenroom.actors.social.feed.events import ENTRIES_MAX, CaughtUp, Entry
from greenroom.actors.social.feed.gathering import SETTLED_MANY_S, SETTLED_S
from greenroom.actors.social.feed.made import ASKED_MAX, newest_kept
from greenroom.actors.social.feed.messages import (
    PAGE_MAX,
    BarredChanged,
    Made,
    MadeAsk,
    MadeShown,
    Post,
    SayMade,
    Stories,
)
from greenroom.actors.social.feed.state import MADE_MAX, STORIES_MADE_MAX
from greenroom.actors.social.known.on_node import CAUGHT_UP_EACH
from greenroom.actors.social.names import new_post_id
from greenroom.actors.social.post.views import Posts, Wall
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.store.views.asked import Rows
from tests.actors.social.feed.world import DAY_S, World


@pytest.fixture
def world() -> World:
    return World()


def asked(world: World) -> list[str]:
    return [told.entity for told in world.kit.told if isinstance(told.message, SayMade)]


def test_walls_are_looked_at_until_a_row_says_that_its_user_follows(world: World) -> None:
    world.unknown.add("bob")
    world.follow("bob", settled=False)
    world.read()
    world.kit.advance(60.0)
    late = world.post("bob", written=None)  # by followers of which its user is none yet
    assert world.ids() == [late]
    world.kit.advance(60.0)
    assert world.ids() == [late], "still"
    assert world.kit.state.behind and not world.kit.told
    world.unknown.clear()
    world.read()
    assert not world.kit.state.behind


def test_then_the_author_is_asked_what_walls_may_lack(world: World) -> None:
    world.follow("bob")
    assert [told.message for told in world.kit.told if told.entity == "feed:bob"] == [SayMade(reader="ann")]
    post = world.post("bob", written=None)
    world.kit.tell(Made(author="bob", posts=[post]))
    assert [row.id for row in world.rows(Arrivals, lambda _: True)] == [post]
    assert world.ids() == [post]


def test_what_has_a_row_is_not_written_again(world: World) -> None:
    """Walls had nearly all: an append and a transaction for each author would be for nothing."""
    caught_up = world.post("bob", written=False)
    world.follow("bob")
    written = world.post("bob")
    story = world.post("bob", written=None, is_story=True)
    world.read()
    before = world.rows(Arrivals, lambda _: True)
    assert {row.id for row in before} == {caught_up, written}
    events = len(world.kit.events)
    world.kit.tell(Made(author="bob", posts=[caught_up, written]))
    assert len(world.kit.events) == events
    world.kit.tell(Made(author="bob", posts=[caught_up, written, story], stories=[story, written]))
    event = world.kit.events[-1]
    assert isinstance(event, CaughtUp)
    assert [(one.post, one.is_story) for one in event.entries] == [(written, True), (story, True)]


def test_an_author_who_is_near_is_told_nothing_where_nothing_is_lacking(world: World) -> None:
    caught_up = world.post("bob", written=False)
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([caught_up], []))
    world.follow("bob")
    assert world.ids() == [caught_up]
    assert not world.kit.state.behind and not asked(world)


def caught_up(world: World) -> list[tuple[str, bool]]:
    """What was kept by the only event that says so."""
    (event,) = (event for event in world.kit.events if isinstance(event, CaughtUp))
    return sorted((one.post, one.is_story) for one in event.entries)


def test_what_an_author_who_is_near_has_besides_is_kept_with_their_wall(world: World) -> None:
    on_wall = world.post("bob", written=False)
    late = new_post_id(int(world.kit.now * 1_000))  # not on the wall yet
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([on_wall, late], []))
    world.follow("bob")
    assert caught_up(world) == [(on_wall, False), (late, False)]
    assert not asked(world)
    world.posts[late] = Posts.Row(id=late, author="bob", at_ms=world.kit.state.returned_ms)
    assert world.ids() == [late, on_wall]


def test_a_story_that_its_row_does_not_know_of_is_kept_as_one_too(world: World) -> None:
    story = world.post("bob", written=False)
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([story], [story]))
    world.follow("bob")
    assert caught_up(world) == [(story, True)] and not asked(world)


def test_a_story_of_which_its_author_does_not_know_is_one_by_its_row(world: World) -> None:
    story = world.post("bob", written=None, is_story=True, ends_ms=1)
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([story], []))
    world.kit.when_queried(Wall.Row, lambda key, asked: Rows([]))  # late
    world.follow("bob")
    assert caught_up(world) == [(story, True)]


def test_what_is_older_than_a_full_wall_is_left_out_and_what_came_since_is_not(world: World) -> None:
    older = [world.post("bob", written=None) for _ in range(3)]
    world.follow("bob", settled=False)
    world.kit.advance(1.0)
    newer = [world.post("bob", written=None) for _ in range(CAUGHT_UP_EACH + 1)]
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([*older, *newer], []))
    world.read()
    world.kit.advance(60.0)
    world.read()
    assert caught_up(world) == [(post, False) for post in newer]
    assert not world.kit.state.behind and not asked(world)


def test_an_author_who_is_far_is_asked_for_no_more_than_a_full_wall_may_lack(world: World) -> None:
    """What is older was no less on the wall than what else is older: ten rows more of each who posts much, for each."""
    for _ in range(CAUGHT_UP_EACH + 3):
        world.post("bob", written=None)
    world.follow("bob")
    since_ms = world.kit.state.follows["bob"]
    (asked_for,) = (told.message for told in world.kit.told if isinstance(told.message, SayMade))
    oldest = min(post for post, _ in caught_up(world))
    assert asked_for == SayMade(reader="ann", after=oldest, since_ms=since_ms)


def test_an_author_says_no_more_than_is_asked_for(world: World) -> None:
    kit = world.kit
    older, first = (kit.ask(Post(text="hi"), user="ann").id for _ in range(2))
    kit.advance(10.0)
    came_since = kit.ask(Post(text="hi"), user="ann").id
    at_ms = int(kit.now * 1000)
    for after, since_ms, posts in (
        (older, at_ms + 1, [first, came_since]),
        (came_since, at_ms - 1_000, [came_since]),  # it came while it was not written to them
        (None, 0, [older, first, came_since]),
    ):
        kit.tell(SayMade(reader="bob", after=after, since_ms=since_ms))
        assert kit.told[-1].message == Made(author="ann", posts=posts)
    before = len(kit.told)
    kit.tell(SayMade(reader="bob", after=came_since, since_ms=at_ms + 1))
    assert len(kit.told) == before, "nothing is lacking"


def test_a_story_of_today_is_lacking_though_it_is_older_than_a_full_wall(world: World) -> None:
    """Posts fill the wall, and a ring shows no posts."""
    ended = world.post("bob", written=None, is_story=True)
    world.kit.advance(DAY_S)
    story = world.post("bob", written=None, is_story=True)
    older = world.post("bob", written=None)
    for _ in range(CAUGHT_UP_EACH):
        world.post("bob", written=None)
    world.kit.advance(1.0)
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([ended, story, older], [ended, story]))
    world.follow("bob")
    kept = caught_up(world)
    assert (story, True) in kept and len(kept) == CAUGHT_UP_EACH + 1
    assert not asked(world)


def test_an_author_tells_of_stories_of_today_though_they_are_older_than_is_asked_for(world: World) -> None:
    kit = world.kit
    ended = kit.ask(Post(text="hi", is_story=True), user="ann").id
    kit.advance(DAY_S)
    story, older, newest = (kit.ask(Post(text="hi", is_story=one), user="ann").id for one in (True, False, False))
    kit.tell(SayMade(reader="bob", after=older, since_ms=int(kit.now * 1000) + 1))
    assert kit.told[-1].message == Made(author="ann", posts=[story, newest], stories=[story])
    assert kit.state.stories == [ended, story]


def shown(posts: list[str], _: object) -> MadeShown:
    return MadeShown(posts, [])


def test_of_more_than_is_kept_at_once_the_newest_are(world: World) -> None:
    """As where the walls of many authors who are near are being made anew: nothing is on them."""
    world.kit.when_queried(Wall.Row, lambda key, asked: Rows([]))
    posts: list[str] = []
    for number in range(60):
        author = f"author{number}"
        theirs = [new_post_id(int(world.kit.now * 1_000)) for _ in range(20)]
        posts += theirs
        world.kit.when_glanced(f"feed:{author}", partial(shown, theirs))
        world.follow(author, settled=False)
    world.read()
    world.kit.advance(60.0)
    world.read()
    event = next(event for event in world.kit.events if isinstance(event, CaughtUp))
    assert {entry.post for entry in event.entries} == set(sorted(posts)[-ENTRIES_MAX:])


def test_what_has_a_row_and_is_on_no_wall_any_more_is_not_kept_again(world: World) -> None:
    """It was deleted: its author names it, and no wall shows it."""
    world.follow("bob")
    gone = world.post("bob")
    world.read()
    world.kit.when_queried(Wall.Row, lambda key, asked: Rows([]))
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([gone], []))
    world.unfollow("bob")
    world.follow("bob")
    caught = [event for event in world.kit.events if isinstance(event, CaughtUp)]
    assert len(caught) == 2 and gone not in {entry.post for entry in caught[-1].entries}


@pytest.mark.parametrize("order", ["newest", "ranked"])
def test_of_several_only_those_who_are_far_are_asked(world: World, order: Literal["newest", "ranked"]) -> None:
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([], []))
    for author in ("bob", "cyd"):
        world.follow(author, settled=False)
    world.read(order=order)
    world.kit.advance(60.0)
    world.read(order=order)
    assert asked(world) == ["feed:cyd"]
    world.read(order=order)
    assert asked(world) == ["feed:cyd"], "once"


def test_who_glances_sees_what_was_made_here_and_who_is_barred_nothing(world: World) -> None:
    made = world.kit.ask(Post(text="hello"), user="ann").id
    assert world.kit.ask(MadeAsk(reader="bob")) == MadeShown([made], [])
    world.kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
    assert world.kit.ask(MadeAsk(reader="bob")) == MadeShown([], [])


def test_of_who_was_unfollowed_meanwhile_nothing_is_kept(world: World) -> None:
    world.follow("bob")
    world.unfollow("bob")
    post = world.post("bob", written=None)
    world.kit.tell(Made(author="bob", posts=[post]))
    assert world.rows(Arrivals, lambda _: True) == []


def test_a_story_is_kept_as_one(world: World) -> None:
    world.follow("bob")
    post = world.post("bob", written=None, is_story=True, ends_ms=int((world.kit.now + 3600) * 1000))
    world.kit.tell(Made(author="bob", posts=[post]))
    assert [row.is_story for row in world.rows(Arrivals, lambda _: True)] == [True]


def test_a_story_is_one_before_its_row_is_there(world: World) -> None:
    world.follow("bob")
    story = new_post_id(world.kit.state.follows["bob"])
    world.kit.tell(Made(author="bob", posts=[story], stories=[story]))
    assert [(row.id, row.is_story) for row in world.rows(Arrivals, lambda _: True)] == [(story, True)]


def test_an_author_says_which_of_them_are_stories(world: World) -> None:
    kit = world.kit
    post, story = (kit.ask(Post(text="hi", is_story=one), user="ann").id for one in (False, True))
    kit.tell(SayMade(reader="bob"))
    assert kit.told[-1].message == Made(author="ann", posts=[post, story], stories=[story])
    for _ in range(MADE_MAX - 1):
        kit.ask(Post(text="more"), user="ann")
    assert kit.state.made[0] == story and kit.state.stories == [story]
    newest = kit.ask(Post(text="more"), user="ann").id
    kit.tell(SayMade(reader="bob", after=newest, since_ms=int(kit.now * 1000) + 1))
    assert kit.told[-1].message == Made(author="ann", posts=[story], stories=[story]), "however much came behind it"
    assert kit.ask(MadeAsk(reader="bob")) == MadeShown([story, *kit.state.made], [story])
    kit.advance(DAY_S)
    assert kit.ask(MadeAsk(reader="bob")) == MadeShown(kit.state.made, []), "it has ended"
    kit.ask(Post(text="more"), user="ann")
    assert kit.state.stories == []


def test_an_author_says_what_they_have_posted_but_not_to_whom_they_have_blocked(world: World) -> None:
    kit = world.kit
    kit.tell(SayMade(reader="bob"))
    assert kit.told == [], "there is nothing"
    post = kit.ask(Post(text="hi"), user="ann").id
    kit.tell(SayMade(reader="bob"))
    assert kit.told[-1].entity == "feed:bob" and kit.told[-1].message == Made(author="ann", posts=[post])
    before = len(kit.told)
    kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
    kit.tell(SayMade(reader="bob"))
    assert len(kit.told) == before


def test_of_more_authors_than_are_asked_walls_are_looked_at_for_longer(world: World) -> None:
    world.read()
    world.kit.advance(1.0)
    authors = [f"u{number}" for number in range(ASKED_MAX + 1)]
    world.follow(*authors, settled=False)
    world.kit.advance(SETTLED_S + 1.0)
    world.read()
    assert len(world.kit.state.behind) == ASKED_MAX + 1 and asked(world) == []
    world.kit.advance(SETTLED_MANY_S)
    world.read()
    assert not world.kit.state.behind
    assert asked(world) == [f"feed:{author}" for author in authors[:0:-1]], "those followed last"


def test_of_few_authors_walls_are_looked_at_for_a_moment(world: World) -> None:
    world.read()
    world.kit.advance(1.0)
    world.follow("bob", settled=False)
    world.kit.advance(SETTLED_S - 1.0)
    world.read()
    assert world.kit.state.behind
    world.kit.advance(2.0)
    world.read()
    assert not world.kit.state.behind and asked(world) == ["feed:bob"]


def test_of_stories_as_many_are_named_as_an_answer_holds(world: World) -> None:
    kit = world.kit
    told = [kit.ask(Post(text="hi", is_story=True), user="ann").id for _ in range(STORIES_MADE_MAX + 1)]
    for _ in range(MADE_MAX):
        kit.ask(Post(text="more"), user="ann")
    kit.tell(SayMade(reader="bob"))
    made = kit.told[-1].message
    assert made == Made(author="ann", posts=[*told[1:], *kit.state.made], stories=told[1:])
    assert isinstance(made, Made) and len(made.posts) <= PAGE_MAX


def test_of_authors_who_are_not_asked_stories_are_found_behind_their_posts(world: World) -> None:
    world.read()
    story = world.post("u0", written=None, is_story=True, ends_ms=int((world.kit.now + DAY_S) * 1000))
    for _ in range(CAUGHT_UP_EACH + MADE_MAX):
        world.post("u0", written=None)
    world.kit.advance(1.0)
    world.follow(*(f"u{number}" for number in range(ASKED_MAX + 1)), settled=False)
    world.kit.advance(SETTLED_MANY_S + 1.0)
    world.read()
    assert not world.kit.state.behind and "feed:u0" not in asked(world)
    assert (story, True) in caught_up(world)


def test_stories_are_kept_before_posts(world: World) -> None:
    now_ms = int(world.kit.now * 1000)
    story, ended = (Entry(new_post_id(at_ms), "bob", at_ms, True) for at_ms in (now_ms, now_ms - int(DAY_S * 1000)))
    posts = [Entry(new_post_id(now_ms + 1), "bob", now_ms + 1) for _ in range(ENTRIES_MAX)]
    kept = newest_kept([ended, story, *posts], now_ms)
    assert len(kept) == ENTRIES_MAX and story in kept and ended not in kept


def test_stories_leave_room_for_posts_and_posts_for_stories(world: World) -> None:
    now_ms = int(world.kit.now * 1000)
    stories = [Entry(new_post_id(now_ms), "bob", now_ms, True) for _ in range(ENTRIES_MAX)]
    posts = [Entry(new_post_id(now_ms - 1), "bob", now_ms - 1) for _ in range(ENTRIES_MAX)]
    half = ENTRIES_MAX // 2
    kept = newest_kept([*stories, *posts], now_ms)
    assert len(kept) == ENTRIES_MAX and sum(one.is_story for one in kept) == half
    assert {one.post for one in kept if not one.is_story} == {one.post for one in sorted_newest(posts)[:half]}
    for few in (3, half - 1):
        kept = newest_kept([*stories, *posts[:few]], now_ms)
        assert len(kept) == ENTRIES_MAX and sum(not one.is_story for one in kept) == few
        kept = newest_kept([*stories[:few], *posts], now_ms)
        assert len(kept) == ENTRIES_MAX and sum(one.is_story for one in kept) == few


def sorted_newest(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.post, reverse=True)


def test_stories_that_are_read_besides_make_no_wall_longer(world: World) -> None:
    """What is older than a full wall is not lacking, though a story is older still."""
    world.read()
    end_ms = int((world.kit.now + DAY_S) * 1000)
    story = world.post("bob", written=None, is_story=True, ends_ms=end_ms)
    older = world.post("bob", written=None)
    newer = [world.post("bob", written=None) for _ in range(CAUGHT_UP_EACH)]
    world.kit.when_glanced("feed:bob", lambda _: MadeShown([story, older, *newer], [story]))
    world.kit.advance(1.0)
    world.follow("bob", settled=False)
    world.kit.advance(SETTLED_S + 1.0)
    world.kit.ask(Stories(), user="ann")
    assert caught_up(world) == [(story, True), *((post, False) for post in newer)]


def test_stories_crowd_no_posts_off_a_wall(world: World) -> None:
    post = world.post("bob", written=None)
    end_ms = int((world.kit.now + DAY_S) * 1000)
    stories = [world.post("bob", written=None, is_story=True, ends_ms=end_ms) for _ in range(CAUGHT_UP_EACH)]
    world.follow("bob")
    assert caught_up(world) == [(post, False), *((story, True) for story in stories)]
    assert world.ids() == [post]
