"""Reactions to a post: one of a user, counted exactly; then by parts."""

from typing import ClassVar

import pytest

from greenroom import InvalidCommand, Refused
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.social.post import reacting
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.events import ReactionChanged
from greenroom.actors.social.post.messages import (
    Delete,
    Mine,
    MineOf,
    React,
    Reacted,
    Recount,
    ShardChanged,
    Unreact,
)
from greenroom.actors.social.post.reacting import ENGAGED_PER_S
from greenroom.actors.social.post.shards import (
    SHARD_MAX,
    SHARDS,
    Count,
    Drop,
    ReactionOf,
    SetReaction,
    ShardCounts,
    shard_entity,
    shard_for,
)
from greenroom.actors.social.ranking.messages import Engaged
from tests.actors.social.post.posting import ID, published, told, unpublished


class SmallPost(Post):
    """Knows two reactors by itself."""

    reactors_max: ClassVar[int] = 2


def test_one_reaction_of_a_user_whatever_they_say() -> None:
    kit, _ = published(text="x")
    assert kit.ask(React(), user="bob") == Reacted({"like": 1}, "like")
    assert kit.ask(React(), user="bob") == Reacted({"like": 1}, "like")
    assert len([one for one in kit.events if isinstance(one, ReactionChanged)]) == 1, "twice is once"
    assert kit.ask(React(reaction="love"), user="bob") == Reacted({"love": 1}, "love")
    assert kit.ask(React(), user="cat") == Reacted({"love": 1, "like": 1}, "like")
    assert kit.ask(Unreact(), user="bob") == Reacted({"like": 1}, "")
    assert kit.ask(Unreact(), user="bob") == Reacted({"like": 1}, "")
    assert kit.ask(MineOf(user="cat")) == Mine("like") and kit.ask(MineOf(user="bob")) == Mine("")
    assert kit.publications == [], "who reacts is nobody's to see"
    kit.restart()
    kit.restart(from_snapshot=True)


def test_there_is_none_to_react_to() -> None:
    kit, _ = unpublished()
    with pytest.raises(Refused, match=r"post\.not_found") as refused:
        kit.ask(React(), user="bob")
    assert refused.value.status == 404
    kit, _ = published(text="x")
    with pytest.raises(Refused, match="unauthenticated"):
        kit.ask(React(), user="")
    with pytest.raises(InvalidCommand):
        kit.ask(React(reaction="hate"), user="bob")  # type: ignore[arg-type]
    kit.ask(Delete(), user="ann")
    for message in (React(), Unreact()):
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.ask(message, user="bob")
        with pytest.raises(Refused, match=r"post\.gone") as refused:
            kit.ask(message, user="ann")
        assert refused.value.status == 410


def test_its_author_hears_of_it_and_that_it_is_taken_back() -> None:
    kit, _ = published(text="x")
    kit.ask(React(), user="ann")
    kit.ask(React(), user="bob")
    kit.ask(React(reaction="love"), user="bob")
    assert [(entity, said.by, said.about) for entity, said in told(kit, Notify)] == [("inbox:ann", "bob", f"post:{ID}")]
    assert {said.at_ms for _, said in told(kit, Notify)} == {int(kit.now * 1000)}
    assert [(one.entities, one.message) for one in kit.nudged] == [
        (["features:bob"], Engaged(author="ann", post=ID, did="like"))
    ]
    kit.ask(Unreact(), user="bob")
    assert told(kit, Withdraw) == [("inbox:ann", Withdraw(id=told(kit, Notify)[0][1].id))]
    kit.ask(Unreact(), user="ann")
    assert len(told(kit, Withdraw)) == 1


@pytest.mark.bound("users whose reactions to a post its author is told of one by one")
def test_of_a_hot_post_its_author_hears_of_the_first_and_features_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reacting, "NOTIFIED_MAX", 3)
    kit, follows = published(text="x")
    follows.all_barred = []
    count = ENGAGED_PER_S + 5
    for number in range(count):
        kit.ask(React(), user="bob" if not number else f"u{number}")
    assert [said.by for _, said in told(kit, Notify)] == ["bob", "u1", "u2"]
    assert len(kit.nudged) == ENGAGED_PER_S and kit.state.reactions == {"like": count}
    kit.ask(Unreact(), user="u2")
    kit.ask(Unreact(), user="u3")
    assert len(told(kit, Withdraw)) == 1, "what was not told is not taken back"
    kit.ask(React(), user="u2")
    assert told(kit, Notify)[-1][1].by == "u2"
    kit.advance(1.0)
    kit.ask(React(), user="late")
    assert kit.nudged[-1].entities == ["features:late"]


def test_watchers_are_shown_counts_at_most_ten_times_a_second() -> None:
    kit, follows = published(text="x")
    follows.all_barred = []
    kit.ask(React(), user="bob")
    for number in range(50):
        kit.ask(React(), user=f"u{number}")
    shown = [one for one in kit.ephemerals if one["type"] == "post.counts"]
    assert [one["reactions"] for one in shown] == [{"like": 1}], "the first at once"
    kit.advance(0.1)
    assert kit.ephemerals[-1] == {"type": "post.counts", "reactions": {"like": 51}, "comments": 0, "shares": 0}
    assert len(kit.ephemerals) == 2, "and the newest of many once"
    kit.advance(10.0)
    assert len(kit.ephemerals) == 2
    kit.leap(-3_600.0)
    kit.ask(Unreact(), user="bob")
    assert len(kit.ephemerals) == 3, "a clock that was set back holds nothing up"


# By parts.


@pytest.mark.bound("reactions that a post knows by itself")
def test_who_comes_when_it_is_full_is_handed_on_and_told_of_before_their_part_has_counted() -> None:
    kit, _ = published(SmallPost, text="x")
    kit.ask(React(), user="bob")
    kit.ask(React(), user="cat")
    assert kit.state.is_sharded
    assert kit.ask(React(reaction="wow"), user="dan") == Reacted({"like": 2}, "wow")
    shard = shard_for("dan")
    assert told(kit, SetReaction) == [(f"reactions:{ID}.{shard}", SetReaction(user="dan", reaction="wow"))]
    kit.tell(ShardChanged(shard=shard, counts={"wow": 1}))
    assert kit.state.reactions == {"like": 2, "wow": 1}
    kit.tell(ShardChanged(shard=shard, counts={"wow": 1}))
    assert kit.state.reactions == {"like": 2, "wow": 1}, "what is counted is said whole: twice is once"
    kit.restart()
    kit.restart(from_snapshot=True)


def test_who_was_known_to_the_post_stays_so_and_who_leaves_does_not_come_back() -> None:
    kit, _ = published(SmallPost, text="x")
    for user in ("bob", "cat"):
        kit.ask(React(), user=user)
    kit.ask(React(reaction="love"), user="bob")
    assert kit.state.reactions == {"love": 1, "like": 1} and not told(kit, SetReaction)
    kit.ask(Unreact(), user="bob")
    assert len(kit.state.reactors) == 1
    kit.ask(React(), user="bob")
    assert kit.state.reactors == {"cat": "like"}, "there is room, but nobody may be known at two places"
    kit.ask(Unreact(), user="bob")
    assert [said.reaction for _, said in told(kit, SetReaction)] == ["like", None]


def test_what_somebody_has_said_is_asked_of_their_part() -> None:
    kit, _ = published(SmallPost, text="x")
    for user in ("bob", "cat", "dan"):
        kit.ask(React(), user=user)
    shard = shard_entity(ID, shard_for("dan"))
    kit.when_asked(shard, lambda message: Mine("like") if message == ReactionOf(user="dan") else None)
    assert kit.ask(MineOf(user="dan")) == Mine("like")
    assert kit.ask(MineOf(user="bob")) == Mine("like")
    kit.ask(Delete(), user="ann")
    assert kit.ask(MineOf(user="dan")) == Mine("")


@pytest.mark.bound("reactions that one of a post's `reactions` knows")
def test_a_part_that_is_full_takes_no_more() -> None:
    kit, _ = published(SmallPost, text="x")
    for user in ("bob", "cat"):
        kit.ask(React(), user=user)
    kit.tell(ShardChanged(shard=shard_for("dan"), counts={"like": SHARD_MAX}))
    with pytest.raises(Refused, match=r"post\.full"):
        kit.ask(React(), user="dan")
    kit.ask(Unreact(), user="dan")


def test_parts_of_a_post_that_is_gone_are_dropped_and_not_counted() -> None:
    kit, _ = published(SmallPost, text="x")
    for user in ("bob", "cat", "dan"):
        kit.ask(React(), user=user)
    shard = shard_for("dan")
    kit.tell(ShardChanged(shard=shard, counts={"like": 1}))
    kit.ask(Delete(), user="ann")
    assert told(kit, Drop) == [(shard_entity(ID, shard), Drop())]
    late = shard_for("eve")
    kit.tell(ShardChanged(shard=late, counts={"like": 2}))
    assert kit.state.reactions == {}
    assert told(kit, Drop)[1:] == [(shard_entity(ID, late), Drop())], "it was handed a reaction just before"
    kit.restart()


def test_counting_anew_finds_what_is_wrong() -> None:
    kit, _ = published(SmallPost, text="x")
    kit.ask(React(), user="bob")
    with pytest.raises(Refused, match=r"post\.not_yours"):
        kit.ask(Recount(), user="bob")
    assert kit.ask(Recount(), user="root", roles=("admin",)).drift == 0
    kit.state.reactions["like"] = 5
    assert kit.ask(Recount()).drift == 4
    kit.state.reactions["like"] = 1
    for user in ("cat", "dan"):
        kit.ask(React(), user=user)
    for one in SHARDS:
        kit.when_asked(shard_entity(ID, one), lambda _: ShardCounts({}))
    shard = shard_for("dan")
    kit.when_asked(shard_entity(ID, shard), lambda _: ShardCounts({"like": 1}))
    assert kit.ask(Recount()).drift == 1, "of a part that has told nothing yet, too"
    kit.tell(ShardChanged(shard=shard, counts={"like": 1}))
    answers = [ShardCounts({"like": 1}), ShardCounts({"like": 1, "sad": 2})]
    kit.when_asked(shard_entity(ID, shard), lambda message: answers.pop(0) if message == Count() else None)
    assert kit.ask(Recount()).drift == 0
    counted = kit.ask(Recount())
    assert (counted.drift, counted.counted) == (2, {"like": 3, "sad": 2})
