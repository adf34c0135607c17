"""Moderators of the world `social`: who have rules, look at what was reported, and decide; from outside, until faults
stop."""

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

import trio

from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.moderation.messages import (
    Dismiss,
    HidePost,
    Look,
    Looked,
    Put,
    Restore,
    Rule,
    Shadow,
    ShadowAuthor,
    Unshadow,
)
from greenroom.supervisors.simulation.world import World
from tests.simulation.social.audience import USERS

REFUSED, HIDDEN, SHADOWED = WORDS = ("badword", "greyword", "darkword")
RULES = {
    "bad": Rule(verdict="refuse", words=REFUSED),
    "grey": Rule(verdict="hide", words=HIDDEN),
    "dark": Rule(verdict="shadow", words=SHADOWED),
}
EVERY_S = 4.0
ASKED_S = 30.0
SHADOW_S = 15.0


class Rulebook:
    """Of one world. Nobody says what rules are about before these are there, so that the audit knows what had to come
    of it."""

    def __init__(self) -> None:
        self.are_known = False
        self.posts: Callable[[], list[str]] = list  # what there is to be looked at
        self.comments: Callable[[], list[tuple[str, int]]] = list
        self._hidden: list[str] = []  # the keys of cases in which they have said so

    def operators(self, world: World) -> list[Callable[[], Awaitable[None]]]:
        """See Scenario."""
        draw = Random(world.draw_of_crews.getrandbits(64))
        return [partial(self._moderate, world.outside(), draw)]

    async def _moderate(self, outside: Any, draw: Random) -> None:
        while await _said(outside, "rules:all", Put(rules=RULES)) is None:  # noqa: ASYNC110 - until it is heard
            await trio.sleep(1.0)
        self.are_known = True
        while True:
            await trio.sleep(draw.expovariate(1.0 / EVERY_S))
            if draw.random() < 0.1:
                user = draw.choice(USERS)
                about = Shadow(user=user, seconds=SHADOW_S) if draw.random() < 0.6 else Unshadow(user=user)
                await _said(outside, "rules:all", about)
            elif self.posts():
                await self._decide(outside, draw)

    async def _decide(self, outside: Any, draw: Random) -> None:
        key = draw.choice(self.posts()[-6:])
        if self.comments() and draw.random() < 0.3:
            post, offset = draw.choice(self.comments()[-6:])
            key = f"{post}.{offset}"
        chance = draw.random()
        if chance > 0.6 and self._hidden:
            key = draw.choice(self._hidden[-4:])
        case = f"case:{key}"
        if chance < 0.25:
            self._hidden.append(key)
            await _said(outside, case, HidePost())
        elif chance < 0.3:
            await _said(outside, case, ShadowAuthor(seconds=SHADOW_S))
        else:
            looked = await _said(outside, case, Look())
            if isinstance(looked, Looked):
                await trio.sleep(draw.uniform(0.0, 2.0))  # in which it may be edited
                made = Restore(edited_ms=looked.edited_ms) if chance < 0.7 else Dismiss(edited_ms=looked.edited_ms)
                await _said(outside, case, made)


async def _said(outside: Any, entity: str, message: Any) -> Any:
    """None where it was refused, or nobody knows."""
    try:
        with trio.fail_after(ASKED_S):
            return await outside(entity, message)
    except (ActorError, trio.TooSlowError):
        return None
