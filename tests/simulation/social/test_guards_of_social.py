"""Each guard of people, posts and feeds, taken away, is missed: within SEEDS seeds the world shows it. With all of them
that seed passes."""

from collections.abc import Callable
from typing import Any

import pytest

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.social.feed import gathering
from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.messages import Admitted
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.spread.jobs import SpreadPage
from greenroom.testing import NO_FAULTS, Faults, run_seed
from tests.simulation.social.social_world import social
from tests.simulation.social.test_worlds_of_social import CALM_VIEWS

SEEDS = 10
MINUTES = 0.5


async def already(feed: Any, authors: list[str]) -> bool:
    """As if rows were never late."""
    return True


def says_nothing(*_: Any, **__: Any) -> None: ...


def whoever_is_late(follows: Follows, message: Any) -> None:
    """An Admitted that nobody waits for is not answered."""
    if isinstance(message, Admitted) and follows.state.asked.get(message.author) != message.seq:
        return
    HEAR(follows, message)


async def to_nobody(page: SpreadPage, work: Any, followers: list[str], done: Any) -> Any:
    return done


HEAR = Follows._hear
# Where each is missed as things are: the other seeds are tried after it.
GUARDS: dict[str, tuple[Any, str, Callable[..., Any], Faults, int, float]] = {
    "a late yes is answered": (Follows, "_hear", whoever_is_late, CALM_VIEWS, 3, MINUTES),
    "rows may be late": (gathering, "_is_written_to", already, CALM_VIEWS, 11, 3.0),
    "authors are told of a block": (Follows, "_tell_barred", says_nothing, NO_FAULTS, 0, MINUTES),
    "what is shared is told": (Post, "_tell_shared", says_nothing, NO_FAULTS, 0, MINUTES),
    "what is taken back is withdrawn": (Inbox, "_withdraw", says_nothing, NO_FAULTS, 1, 1.0),
    "feeds mirror whom they follow": (Feed, "_mirror", says_nothing, NO_FAULTS, 0, MINUTES),
    "pages are written": (SpreadPage, "_write", to_nobody, NO_FAULTS, 0, 3.0),
}


def shown(seed: int, faults: Faults, minutes: float) -> list[str]:
    return run_seed(social(), seed, minutes=minutes, faults=faults, swarm=faults is not NO_FAULTS).violations


@pytest.mark.parametrize("guard", GUARDS)
def test_a_removed_guard_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, without, faults, first, minutes = GUARDS[guard]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, without)
        seeds = [first, *(seed for seed in range(SEEDS) if seed != first)]
        missed = next(seed for seed in seeds if shown(seed, faults, minutes))
    assert not shown(missed, faults, minutes)
