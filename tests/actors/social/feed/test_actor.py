"""Posting through one's feed, what was seen, and the mirror of what `follows` says."""

import pytest

from greenroom import Refused
from greenroom.actors.social.feed.actor import POSTS_PER_H, SEEN_PER_H
from greenroom.actors.social.feed.messages import (
    BarredAsk,
    BarredChanged,
    CloseChanged,
    FollowsChanged,
    MutedChanged,
    Post,
    Seen,
    Signal,
    UnwantedAmong,
)
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.moderation.messages import Flag, Judge, Verdict
from greenroom.actors.social.names import is_post_id, ms_of
from greenroom.actors.social.post.messages import Publish
from greenroom.actors.social.ranking.messages import Explain, Observe
from tests.actors.social.feed.world import World


@pytest.fixture
def world() -> World:
    return World()


def published(world: World) -> Publish:
    return [told.message for told in world.kit.told if isinstance(told.message, Publish)][-1]


def test_a_post_has_an_id_of_its_time_and_goes_to_its_own_entity(world: World) -> None:
    posted = world.kit.ask(Post(text="hello @bob", media=["a" * 24], visibility="followers"), user="ann")
    assert is_post_id(posted.id) and ms_of(posted.id) == int(world.kit.now * 1000)
    assert world.kit.told[-1].entity == f"post:{posted.id}"
    said = published(world)
    assert (said.author, said.text, said.media, said.visibility) == ("ann", "hello @bob", ["a" * 24], "followers")
    assert not (said.is_pending or said.is_shadowed)


def test_the_same_post_sent_again_is_one(world: World) -> None:
    first = world.kit.ask(Post(text="hello", idempotency_key="k"), user="ann")
    assert world.kit.ask(Post(text="hello", idempotency_key="k"), user="ann") == first
    assert len(world.kit.told) == 1


def test_a_post_of_nothing_is_refused(world: World) -> None:
    for empty in (Post(), Post(text=" \n")):
        with pytest.raises(Refused, match=r"feed\.empty_post"):
            world.kit.ask(empty, user="ann")


@pytest.mark.parametrize(("verdict", "pending", "shadowed"), [("hide", True, False), ("shadow", False, True)])
def test_rules_may_hold_a_post_back(world: World, verdict: str, pending: bool, shadowed: bool) -> None:
    asked: list[Judge] = []
    world.kit.when_asked("rules:all", lambda ask: asked.append(ask) or Verdict(verdict, "links"))  # type: ignore[func-returns-value, arg-type]
    world.kit.ask(Post(text="buy"), user="ann")
    assert (published(world).is_pending, published(world).is_shadowed) == (pending, shadowed)
    assert [(ask.author, ask.text) for ask in asked] == [("ann", "buy")]
    assert [told.message.rule for told in world.kit.told if isinstance(told.message, Flag)] == ["links"]


def test_rules_may_refuse_a_post(world: World) -> None:
    world.kit.when_asked("rules:all", lambda _: Verdict("refuse", "words"))
    with pytest.raises(Refused, match=r"feed\.text_refused"):
        world.kit.ask(Post(text="bad"), user="ann")
    assert world.kit.told == [] and world.kit.events == []


def test_what_is_shared_is_the_original(world: World) -> None:
    original = world.post("bob", text="deep")
    share = world.post("cyd", share_of=original)
    quote = world.post("cyd", share_of=original, text="look")
    picture = world.post("cyd", share_of=original, media=["a" * 24])
    for shared, expected in ((original, original), (share, original), (quote, quote), (picture, picture)):
        world.kit.ask(Post(share_of=shared), user="ann")
        assert published(world).share_of == expected


def test_only_what_everybody_may_see_is_shared(world: World) -> None:
    world.follow("bob")
    followers = world.post("bob", visibility="followers")
    story = world.post("bob", is_story=True, ends_ms=int(world.kit.now * 1000) + 1)
    for post in (followers, story):
        with pytest.raises(Refused, match=r"feed\.not_to_be_shared"):
            world.kit.ask(Post(share_of=post), user="ann")
    world.kit.tell(BarredChanged(user="bob", by_us=False, barred=True))
    for post in (followers, "0" * 32):
        with pytest.raises(Refused, match=r"feed\.no_such_post"):
            world.kit.ask(Post(share_of=post), user="ann")
    with pytest.raises(Refused, match=r"feed\.story_shares"):
        world.kit.ask(Post(share_of=followers, is_story=True), user="ann")


def test_what_is_of_a_private_account_is_not_shared(world: World) -> None:
    world.follow("bob", "cyd")
    original = world.post("bob", text="for us")
    share = world.post("cyd", share_of=original)
    world.authors["bob"] = Authors.Row(user="bob", private=True)
    for post in (original, share):
        with pytest.raises(Refused, match=r"feed\.not_to_be_shared"):
            world.kit.ask(Post(share_of=post), user="ann")
    mine = world.post("ann", text="mine")
    world.authors["ann"] = Authors.Row(user="ann", private=True)
    world.kit.ask(Post(share_of=mine), user="ann")
    assert published(world).share_of == mine


def test_what_one_may_not_see_is_not_shared_by_way_of_a_share(world: World) -> None:
    world.authors["dan"] = Authors.Row(user="dan", private=True)
    originals = [world.post("bob"), world.post("dan"), world.post("eve"), world.post("fay")]
    shares = [world.post("cyd", share_of=original) for original in originals]
    world.kit.tell(BarredChanged(user="bob", by_us=False, barred=True))
    del world.posts[originals[2]]
    world.posts[originals[3]].visibility = "followers"  # by an edit
    world.follow("fay")
    for share, refused in zip(
        shares, ["no_such_post", "no_such_post", "no_such_post", "not_to_be_shared"], strict=True
    ):
        with pytest.raises(Refused, match=rf"feed\.{refused}"):
            world.kit.ask(Post(share_of=share), user="ann")
    assert not [told for told in world.kit.told if isinstance(told.message, Publish)]


def test_who_posts_without_end_has_to_wait(world: World) -> None:
    for _ in range(POSTS_PER_H):
        world.kit.ask(Post(text="x"), user="ann")
    with pytest.raises(Refused, match=r"feed\.posts_often"):
        world.kit.ask(Post(text="x"), user="ann")


def test_what_was_seen_is_told_with_how_it_was_shown(world: World) -> None:
    world.follow("bob")
    post = world.post("bob", text="hello")
    shown = world.read(order="ranked").posts[0]
    unknown = "0" * 32
    world.kit.ask(
        Seen(signals=[Signal(post=post, did="dwelt", ms=900, position=3), Signal(post=unknown, did="seen")]), user="ann"
    )
    told = world.kit.told[-1]
    assert isinstance(told.message, Observe) and told.entity == "features:ann"
    (one,) = told.message.exposures
    assert (one.signal.ms, one.author, one.model) == (900, "bob", "light")
    assert one.score == pytest.approx(shown.score) and one.features["chars"] > 0
    assert set(world.kit.state.seen) == {post, unknown}
    told_before = len(world.kit.events)
    world.kit.ask(Seen(signals=[Signal(post=post, did="clicked")]), user="ann")
    assert len(world.kit.events) == told_before, "seen once is seen"


def test_a_post_that_is_signalled_again_and_again_is_one_exposure(world: World) -> None:
    """Each has all that its post was scored by in it."""
    world.follow("bob")
    post = world.post("bob")
    world.read(order="ranked")
    dwelt = [Signal(post=post, did="dwelt", ms=ms) for ms in (10, 900, *range(197))]
    world.kit.ask(Seen(signals=[Signal(post=post, did="seen"), *dwelt]), user="ann")
    (told,) = [told.message for told in world.kit.told if isinstance(told.message, Observe)]
    assert [(one.signal.did, one.signal.ms) for one in told.exposures] == [("seen", 0), ("dwelt", 900)]
    for _ in range(SEEN_PER_H - 1):
        world.kit.ask(Seen(signals=[]), user="ann")
    with pytest.raises(Refused, match=r"feed\.seen_often"):
        world.kit.ask(Seen(signals=[]), user="ann")


def test_why_a_post_stands_where_it_does_can_be_asked(world: World) -> None:
    world.follow("bob")
    post = world.post("bob", text="hello")
    with pytest.raises(Refused, match=r"feed\.not_ranked"):
        world.kit.ask(Explain(post=post), user="ann")
    shown = world.read(order="ranked").posts[0]
    answer = world.kit.ask(Explain(post=post), user="ann")
    assert answer.score == pytest.approx(shown.score, rel=1e-3) and answer.parts


def test_what_changes_nothing_is_no_event(world: World) -> None:
    changes = (
        FollowsChanged(author="bob", follows=True),
        MutedChanged(user="bob", muted=True),
        BarredChanged(user="bob", by_us=True, barred=True),
        CloseChanged(author="bob", close=True),
        FollowsChanged(author="bob", follows=False),
        MutedChanged(user="bob", muted=False),
        BarredChanged(user="bob", by_us=True, barred=False),
        CloseChanged(author="bob", close=False),
    )
    for change in changes:
        before = len(world.kit.events)
        world.kit.tell(change)
        world.kit.tell(change)
        assert len(world.kit.events) == before + 1, change
    world.kit.restart()
    world.kit.restart(from_snapshot=True)


def test_watchers_see_nothing_of_what_a_feed_knows(world: World) -> None:
    world.follow("bob")
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=True))
    assert world.kit.publications == []
    assert world.kit.watch(user="ann") == {"follows": 1, "new": 0}


def test_a_thread_asks_whose_words_its_user_reads(world: World) -> None:
    world.kit.tell(MutedChanged(user="bob", muted=True))
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=True))
    assert world.kit.ask(UnwantedAmong(users=["bob", "cyd", "dan"])).users == ["bob", "cyd"]
    assert world.kit.ask(BarredAsk()).users == ["cyd"]
