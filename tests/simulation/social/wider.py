"""What people do besides in the world `social`: stories, words that rules are about, reports, lists of posts; who they
say they are; and what they have set of how they are told: addresses, paces, quiet hours.
"""

from random import Random
from typing import Any

from greenroom.actors.inbox.messages import (
    AddPush,
    Archive,
    ConfirmMail,
    MarkRead,
    Prefer,
    RemoveHook,
    RemoveMail,
    RemovePush,
    SetHook,
    SetHours,
    SetMail,
)
from greenroom.actors.model.message import Ask
from greenroom.actors.social.feed.messages import Of, Post, SearchPosts, Stories, Tagged
from greenroom.actors.social.moderation.messages import Report
from greenroom.actors.social.post.messages import Edit, React, Unreact
from greenroom.actors.social.profile.messages import Set
from greenroom.supervisors.simulation.node import STARTED
from greenroom.testing import Work
from tests.simulation.social.audience import REACTIONS, USERS, Deeds
from tests.simulation.social.moderators import WORDS, Rulebook
from tests.simulation.social.provider import Provider

TAGS = ("tag", "other")
SOUGHT_POSTS, SOUGHT_PEOPLE = "number", "likes tea"  # words that some of them have
BIOS = ("likes tea", "likes coffee", "tea is what she LIKES", "")
BEGAN = int(STARTED % 86_400 // 60)  # the minute of the day, UTC, at which a world begins
P256DH, AUTH = "A" * 87, "B" * 22  # of that form; nobody encrypts here


class WiderDeeds(Deeds):
    """Of one world."""

    def __init__(self, provider: Provider, rules: Rulebook) -> None:
        super().__init__()
        self._provider = provider
        self._rules = rules

    @property
    def comments(self) -> list[tuple[str, int]]:
        return self._comments

    def __call__(self, draw: Random, user: str) -> Work:
        chance = draw.random()
        if chance < 0.05:
            self._said += 1
            return Work(f"feed:{user}", Post(text=f"story {self._said}", is_story=True))
        if chance < 0.08:
            return Work(f"feed:{user}", self._list(draw))
        if chance < 0.1:
            return Work(f"profile:{user}", Set(name=f"{user} {draw.choice('ABC')}", bio=draw.choice(BIOS)))
        if chance < 0.25:
            return Work(f"inbox:{user}", self._set(draw, user))
        if chance < 0.35 and self.posts:
            return self._hot(draw)
        if chance < 0.41 and self.posts:
            return self._report(draw)
        if chance < 0.46 and self.posts and self._rules.are_known:
            self._said += 1
            text = f"edited {self._said} {draw.choice(WORDS)} #{draw.choice(TAGS)}"
            return Work(f"post:{draw.choice(self.posts[-8:])}", Edit(text=text))
        return super().__call__(draw, user)

    def _post(self, draw: Random, user: str) -> Post:
        made = super()._post(draw, user)
        said = f" {draw.choice(WORDS)}" if self._rules.are_known and draw.random() < 0.3 else ""
        return Post(text=made.text + said, visibility=made.visibility, share_of=made.share_of)

    def _list(self, draw: Random) -> Ask[Any]:
        return draw.choice(
            (Stories(), Tagged(tag=draw.choice(TAGS)), Of(author=draw.choice(USERS)), SearchPosts(words=SOUGHT_POSTS))
        )

    def _hot(self, draw: Random) -> Work:
        """One post that all react to, again and again: more than it keeps itself."""
        post = self.posts[len(self.posts) // 4 * 2 % len(self.posts)]
        said: Ask[Any] = React(reaction=draw.choice(REACTIONS)) if draw.random() < 0.75 else Unreact()
        return Work(f"post:{post}", said)

    def _report(self, draw: Random) -> Work:
        said = Report(reason=draw.choice(("spam", "abuse")))
        if self._comments and draw.random() < 0.3:
            post, offset = draw.choice(self._comments[-8:])
            return Work(f"case:{post}.{offset}", said)
        return Work(f"case:{draw.choice(self.posts[-4:])}", said)

    def _set(self, draw: Random, user: str) -> Ask[Any]:
        chance = draw.random()
        mail = f"{user}@{draw.choice(('one', 'two'))}.example"
        browser = f"https://push.example/{user}/{draw.randint(1, 2)}"
        code = self._provider.codes.get(mail)
        if chance < 0.15:
            return SetHook(url=f"https://hooks.example/{user}")
        if chance < 0.3:
            return AddPush(endpoint=browser, p256dh=P256DH, auth=AUTH)
        if chance < 0.45:
            return ConfirmMail(code=code) if code is not None else SetMail(address=mail)
        if chance < 0.5:
            return draw.choice((RemoveHook(), RemoveMail(), RemovePush(endpoint=browser)))
        if chance < 0.85:
            return Prefer(
                kind=draw.choice(("like", "comment", "mention", "follow")),
                channel=draw.choice(("mail", "push", "hook", "push", "hook")),
                pace=draw.choice(("now", "now", "now", "daily", "hourly", "off")),
            )
        if chance < 0.93:
            return self._hours(draw)
        about = f"post:{draw.choice(self.posts)}" if self.posts else ""
        return MarkRead(about=about) if chance < 0.97 else Archive(groups=[draw.randint(1, 60)])

    def _hours(self, draw: Random) -> SetHours:
        """Digests, and the end of quiet hours, come while there is a world."""
        digest_at = BEGAN + draw.randint(1, 6)
        if draw.random() < 0.5:
            return SetHours(digest_at=digest_at)
        begins = BEGAN + draw.randint(0, 2)
        return SetHours(digest_at=digest_at, quiet_from=begins, quiet_to=begins + draw.randint(1, 3))
