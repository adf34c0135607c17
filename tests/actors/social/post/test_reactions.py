"""One part of a hot post's reactions."""

import pytest
from msgspec.structs import replace

from greenroom import Refused
from greenroom.actors.social.feed.messages import Reaction
from greenroom.actors.social.post import reactions
from greenroom.actors.social.post.messages import Mine, ShardChanged
from greenroom.actors.social.post.reactions import TELL_S, Reactions
from greenroom.actors.social.post.shards import Count, Drop, ReactionOf, SetReaction, ShardCounts, shard_for
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, told


def part() -> Kit[Reactions]:
    return Kit(Reactions, key=f"{ID}.0a")


def test_it_keeps_one_reaction_of_a_user() -> None:
    kit = part()
    said: tuple[Reaction, ...] = ("like", "like", "wow")
    for reaction in said:
        kit.tell(SetReaction(user="bob", reaction=reaction))
    kit.tell(SetReaction(user="cat", reaction="like"))
    kit.tell(SetReaction(user="dan"))
    assert kit.ask(ReactionOf(user="bob")) == Mine("wow") and kit.ask(ReactionOf(user="eve")) == Mine("")
    kit.tell(SetReaction(user="bob"))
    assert kit.ask(Count()) == ShardCounts({"like": 1}) and len(kit.events) == 4
    kit.restart()
    kit.restart(from_snapshot=True)


def test_it_tells_the_post_at_once_and_then_once_a_second() -> None:
    kit = part()
    for number in range(10):
        kit.tell(SetReaction(user=f"u{number}", reaction="like"))
    assert told(kit, ShardChanged) == [(f"post:{ID}", ShardChanged(shard="0a", counts={"like": 1}))]
    kit.advance(TELL_S)
    assert [said.counts for _, said in told(kit, ShardChanged)] == [{"like": 1}, {"like": 10}]
    kit.advance(10 * TELL_S)
    assert len(told(kit, ShardChanged)) == 2
    kit.tell(SetReaction(user="bob", reaction="love"))
    assert told(kit, ShardChanged)[-1][1].counts == {"like": 10, "love": 1}


def test_what_it_has_yet_to_tell_it_tells_though_it_was_restarted() -> None:
    kit = part()
    for user in ("bob", "cat"):
        kit.tell(SetReaction(user=user, reaction="like"))
    kit.miss(60.0)
    kit.advance(0.0)
    assert told(kit, ShardChanged)[-1][1].counts == {"like": 2}


def test_what_it_has_yet_to_tell_it_tells_though_its_clock_was_an_hour_ahead() -> None:
    """What wakes it by the time of day would wait for that hour."""
    kit = part()
    for user in ("bob", "cat"):
        kit.tell(SetReaction(user=user, reaction="like"))
    (row,) = kit._timers.values()
    row.due_ms += 3_600_000
    kit.advance(TELL_S)
    assert [said.counts for _, said in told(kit, ShardChanged)] == [{"like": 1}, {"like": 2}]
    kit.advance(2 * 3_600.0)
    assert len(told(kit, ShardChanged)) == 2


def test_what_a_former_life_has_put_off_by_an_hour_it_tells_once_it_is_asked() -> None:
    kit = part()
    for user in ("bob", "cat"):
        kit.tell(SetReaction(user=user, reaction="like"))
    (row,) = kit._timers.values()
    kit._timers[row.name] = replace(row, due_ms=row.due_ms + 3_600_000)
    kit.restart()
    kit.advance(2 * TELL_S)
    assert told(kit, ShardChanged)[-1][1].counts == {"like": 1}
    kit.ask(Count())
    assert told(kit, ShardChanged)[-1][1].counts == {"like": 2} and not kit._timers


def test_it_takes_so_many_and_those_may_change_their_minds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "SHARD_MAX", 2)
    kit = part()
    for user in ("bob", "cat", "dan"):
        kit.tell(SetReaction(user=user, reaction="like"))
    kit.tell(SetReaction(user="bob", reaction="love"))
    assert kit.state.reactors == {"bob": "love", "cat": "like"}


def test_of_a_post_that_is_gone_it_keeps_nothing() -> None:
    kit = part()
    for user in ("bob", "cat"):
        kit.tell(SetReaction(user=user, reaction="like"))
    kit.tell(Drop())
    kit.tell(Drop())
    kit.tell(SetReaction(user="dan", reaction="like"))
    kit.advance(10.0)
    assert kit.state.reactors == {} and len(told(kit, ShardChanged)) == 1
    kit.restart()


def test_nobody_sees_who_has_reacted() -> None:
    with pytest.raises(Refused, match=r"reactions\.closed"):
        part().watch(user="ann")


def test_names_are_divided_evenly_and_for_good() -> None:
    found = [shard_for(f"user{number}") for number in range(5_000)]
    assert len(set(found)) == 256
    assert shard_for("ann") == "a3"
