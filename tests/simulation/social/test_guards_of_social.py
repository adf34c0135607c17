"""Each guard of people, posts and feeds, taken away, is missed: within SEEDS seeds the world shows it. With all of them
that seed passes."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from greenroom.actors.inbox import outgoing
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.inbox.outgoing import Outgoing
from greenroom.actors.inbox.withdrawing import Withdrawing
from greenroom.actors.social.feed import gathering, lists, privacy, rows
from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.follows import actor as follows_actor
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.messages import Admitted, Came, LeftYou
from greenroom.actors.social.moderation.cases import Case
from greenroom.actors.social.notices import notice
from greenroom.actors.social.post import state as post_state
from greenroom.actors.social.post import views as post_views
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.events import Deleted
from greenroom.actors.social.post.messages import CommentsChanged
from greenroom.actors.social.post.reactions import Reactions
from greenroom.actors.social.post.views import Posts, SaidInPosts
from greenroom.actors.social.profile.views import People
from greenroom.actors.social.spread.jobs import SpreadPage
from greenroom.actors.social.thread import telling
from greenroom.actors.social.thread.actor import Thread
from greenroom.testing import NO_FAULTS, Faults, Scenario, run_seed
from tests.simulation.social.social_world import people, social
from tests.simulation.social.test_worlds_of_social import CALM_VIEWS

SEEDS = 40
MINUTES, BRIEFLY = 0.5, 0.3
SETTLE_S = 150.0  # what nobody has heard of is found within so long: what is missed then is not waited for any longer
SETTLED_S = 40.0  # likewise where nothing fails: whole worlds are calm after 15
SOON_S = 25.0  # of small ones
STORIES_END_S = 100.0  # a story that began last has ended by then, and it is found out that it is late


async def already(feed: Any, authors: list[str]) -> bool:
    """As if rows were never late."""
    return True


def says_nothing(*_: Any, **__: Any) -> None: ...


def whoever_is_late(follows: Follows, message: Any) -> None:
    """An Admitted that nobody waits for is not answered."""
    if isinstance(message, Admitted) and follows.state.asked.get(message.author) != message.seq:
        return
    HEAR(follows, message)


def whoever_comes(follows: Follows, message: Any) -> None:
    """A Came is not heard."""
    if not isinstance(message, Came):
        HEAR(follows, message)


async def is_closed(*_: Any) -> bool:
    return False


async def to_nobody(page: SpreadPage, work: Any, followers: list[str], done: Any) -> Any:
    return done


def never(*_: Any) -> bool:
    return False


def nothing_missing(*_: Any) -> str:
    return ""


def at_no_time(*_: Any) -> None: ...


def whoever_leaves(follows: Follows, message: Any) -> None:
    """A LeftYou is not heard."""
    if not isinstance(message, LeftYou):
        HEAR(follows, message)


def all_but_deletions(posts: Posts, event: Any, of: Any) -> None:
    if not isinstance(event, Deleted):
        FOLD(posts, event, of)


def of_another_kind(kind: str, post: str, by: str, **how: Any) -> Notify:
    return notice("other", post, by, **how)


def of_nothing(**_: Any) -> Withdraw:
    return Withdraw(id="nothing")


def of_none(count: int) -> CommentsChanged:
    return CommentsChanged(count=0)


def as_they_were(counts: Any, by: Any) -> dict[str, int]:
    return dict(counts)


def whoever(*_: Any, **__: Any) -> bool:
    return True


HEAR, FOLD = Follows._hear, Posts.fold
FAR = ("a late yes is answered",)  # as where no author is in reach: who is let in at once hears of no yes
ENDING = "a story ends"
# Where each is missed as things are: the other seeds are tried after it.
GUARDS: dict[str, tuple[Any, str, Callable[..., Any], Faults, int, float]] = {
    "a late yes is answered": (Follows, "_hear", whoever_is_late, CALM_VIEWS, 8, MINUTES),
    "who comes in is counted": (Follows, "_hear", whoever_comes, NO_FAULTS, 0, MINUTES),
    "rows may be late": (gathering, "_is_written_to", already, CALM_VIEWS, 106, MINUTES),
    "authors are told of a block": (Follows, "_tell_barred", says_nothing, NO_FAULTS, 1, MINUTES),
    "what is shared is told": (Post, "_tell_shared", says_nothing, NO_FAULTS, 1, MINUTES),
    "what is taken back is withdrawn": (Withdrawing, "withdraw", says_nothing, NO_FAULTS, 1, 1.0),
    "feeds mirror whom they follow": (Feed, "_mirror", says_nothing, NO_FAULTS, 0, MINUTES),
    "pages are written": (SpreadPage, "_write", to_nobody, NO_FAULTS, 3, MINUTES),
}
# Likewise, where there is more than posts and people.
WIDER: dict[str, tuple[Any, str, Callable[..., Any], int, float]] = {
    ENDING: (Post, "_end", says_nothing, 2, 1.0),
    "parts tell what they count": (Reactions, "_tell", says_nothing, 1, MINUTES),
    "what a case says is done": (Post, "_hide", says_nothing, 2, MINUTES),
    "moderators know what a rule has hidden": (Case, "_flag", says_nothing, 1, MINUTES),
    "authors know what is hidden": (Case, "_tell_author", says_nothing, 0, MINUTES),
    "inboxes hear what became of a job": (Outgoing, "hear", says_nothing, 1, MINUTES),
    "what was told is not told again": (Outgoing, "_has_told", never, 1, 2.0),
    "only confirmed addresses get mail": (Outgoing, "_missing", nothing_missing, 1, MINUTES),
    "posts are found by their words": (SaidInPosts, "_show", says_nothing, 1, MINUTES),
    "people are found by what they say": (People, "fold", says_nothing, 0, MINUTES),
    "nothing goes out in quiet hours": (outgoing, "quiet_until", at_no_time, 7, MINUTES),
}
# Likewise, in a third of a minute: the seeds are few, and each is tried with all guards once.
SOON: dict[str, tuple[Callable[..., Scenario], Any, str, Callable[..., Any], int, float]] = {
    "who leaves is counted no more": (people, Follows, "_hear", whoever_leaves, 0, BRIEFLY),
    "who leaves is told of no more": (people, follows_actor, "Withdraw", of_nothing, 0, BRIEFLY),
    "who has blocked is told of no more": (people, Withdrawing, "bar", says_nothing, 1, BRIEFLY),
    "reactions are counted": (people, post_state, "moved", as_they_were, 0, BRIEFLY),
    "comments are counted": (people, telling, "CommentsChanged", of_none, 0, BRIEFLY),
    "comments are told": (people, telling, "notice", of_another_kind, 0, BRIEFLY),
    "comments that are taken back are not": (people, Thread, "_withdraw", says_nothing, 11, 0.6),
    "comments end with their post": (people, Thread, "_close", says_nothing, 2, BRIEFLY),
    "what is deleted is shown no more": (people, Posts, "fold", all_but_deletions, 2, BRIEFLY),
    "what is for some is shown to no others": (people, rows, "may_see", whoever, 0, BRIEFLY),
    "who is barred is shown nothing": (social, privacy, "is_barred", never, 1, BRIEFLY),
    "who is muted is not shown": (social, lists, "is_wanted", whoever, 7, 0.6),
    "cards show what is counted": (people, post_views, "_count", says_nothing, 0, BRIEFLY),
}


def missed(world: Callable[..., Scenario], settle_s: float, seed: int, faults: Faults, minutes: float) -> list[str]:
    """What is wrong in that seed."""
    swarm = faults is not NO_FAULTS
    return run_seed(world(settle_s=settle_s), seed, minutes=minutes, faults=faults, swarm=swarm).violations


def seeds(first: int) -> list[int]:
    return [first, *(seed for seed in range(SEEDS) if seed != first)]


@pytest.mark.parametrize("guard", GUARDS)
def test_a_removed_guard_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, without, faults, first, minutes = GUARDS[guard]
    if guard in FAR:
        monkeypatch.setattr(Follows, "glance", says_nothing)
        monkeypatch.setattr(Follows, "_is_open", is_closed)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, without)
        settle_s = SETTLED_S if faults is NO_FAULTS else SETTLE_S
        found = next(seed for seed in seeds(first) if missed(people, settle_s, seed, faults, minutes))
    assert not missed(people, settle_s, found, faults, minutes)


@pytest.mark.parametrize("guard", WIDER)
def test_one_of_what_is_beyond_them_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, without, first, minutes = WIDER[guard]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, without)
        settle_s = STORIES_END_S if guard == ENDING else SETTLED_S
        found = next(seed for seed in seeds(first) if missed(social, settle_s, seed, NO_FAULTS, minutes))
    assert not missed(social, settle_s, found, NO_FAULTS, minutes)


@cache
def sound(world: Callable[..., Scenario], seed: int, minutes: float) -> bool:
    """Is nothing wrong in that seed, with all guards?"""
    return not missed(world, SOON_S, seed, NO_FAULTS, minutes)


@pytest.mark.parametrize("guard", SOON)
def test_one_is_missed_soon(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world, where, name, without, first, minutes = SOON[guard]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, without)
        found = next(seed for seed in seeds(first) if missed(world, SOON_S, seed, NO_FAULTS, minutes))
    assert sound(world, found, minutes)
