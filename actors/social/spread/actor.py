"""Spread: `spread:ID`, the record of how a post came to those who follow its author.

Jobs do the work (jobs.py), each on its own stretch of followers, and say here what they have done: so each page counts
once, however often its job is tried, and no page waits for another. What is recorded here is what the views `arrivals`,
`unwritten` and `readers` are made of.
"""

from typing import Any, ClassVar

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.social.spread.events import Begun, PageWritten, Planned, SpreadEvent
from greenroom.actors.social.spread.jobs import SpreadPage
from greenroom.actors.social.spread.messages import PAGES_MAX, Begin, Decided, WritePage, WriteTo
from greenroom.actors.social.spread.state import SpreadState, change


class Spread(Actor[SpreadState]):
    """How one post comes to its readers; the key is the post's id."""

    kind = "spread"
    internal: ClassVar[tuple[type[Message], ...]] = (Begin, WriteTo, WritePage)
    events: ClassVar[tuple[type[Event], ...]] = (Begun, Planned, PageWritten)
    publishes_info = False
    limits = KindLimits(idle_s=10.0)

    def handle(self, message: Begin | WriteTo | WritePage) -> Done | Decided:
        """Raises: Refused."""
        match message:
            case Begin():
                return self._begin(message)
            case WriteTo():
                self._write_to(message)
            case WritePage():
                self._written(message)
        return Done()

    def _begin(self, message: Begin) -> Decided:
        if self.state.is_written is not None:
            return Decided(self.state.is_written)
        self.record(
            Begun(
                author=message.author,
                at_ms=message.at_ms,
                is_story=message.is_story,
                visibility=message.visibility,
                is_written=message.is_written,
            )
        )
        return Decided(message.is_written)

    def _write_to(self, message: WriteTo) -> None:
        state = self.state
        if state.is_written is None:
            raise Refused("spread.not_begun", "say how, first", status=409)
        # Planned again after a crash it may be cut elsewhere: then both are written, rather than neither.
        new = [one for one in message.stretches if state.planned.get(one.first) != one.until]
        if len(state.planned) + len(new) > PAGES_MAX:
            raise Refused("spread.too_many_pages", f"at most {PAGES_MAX}", status=409)
        if new and state.is_written:
            self.record(Planned(stretches=new))
            for stretch in new:
                self.start_job(
                    SpreadPage(
                        post=self.key,
                        author=state.author,
                        at_ms=state.at_ms,
                        is_story=state.is_story,
                        visibility=state.visibility,
                        stretch=stretch,
                    )
                )

    def _written(self, page: WritePage) -> None:
        if page.page in self.state.written:
            return
        shed = [user for user in page.shed if user not in self.state.shed]
        self.record(
            PageWritten(
                page=page.page, author=page.author, at_ms=page.at_ms, kept=page.kept, shed=shed, is_story=page.is_story
            )
        )

    def apply(self, event: SpreadEvent) -> None:
        change(self.state, event)

    def view(self) -> Any:
        state = self.state
        return {
            "is_written": state.is_written,
            "stretches": len(state.planned),
            "pages_written": len(state.written),
            "shed": len(state.shed),
        }

    def may_watch(self) -> None:
        """Staff alone. Raises: Refused."""
        who = self.principal
        if not who.system and STAFF_ROLES.isdisjoint(who.roles):
            raise Refused("spread.closed", "this is not open to clients")
