"""`case:ID`, or `case:ID.OFFSET`: what was said against a post, or a comment, and what moderators have made of it.

    open ──► pending ──► hidden ◄──► cleared
      └─────────┴───────────┴───────────┘

Open: reported, and shown. Pending: hidden until a moderator has looked, by as many reports as that takes, or by a rule
as it was said. Hidden and cleared are a moderator's word; after a `cleared`, reports alone hide the post no more,
but as many again bring it before moderators once more. Each step is an event that says who, when and why; they are
never thinned out. Only moderators see any of it.
"""

from typing import Any, ClassVar

from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.social.moderation.events import AuthorShadowed, Moved, Opened, Reported
from greenroom.actors.social.moderation.messages import (
    CaseShown,
    CaseState,
    Dismiss,
    Flag,
    HidePost,
    Look,
    Looked,
    Report,
    ReportShown,
    Restore,
    ShadowAuthor,
    ShadowFor,
)
from greenroom.actors.social.moderation.rules import ALL as RULES_KEY
from greenroom.actors.social.moderation.rules import FOR_EVER
from greenroom.actors.social.moderation.state import DECIDED, REPORTERS_MAX, CaseEvent, CaseFile
from greenroom.actors.social.moderation.subject import about_of
from greenroom.actors.social.post.messages import Hide, MayAct, SaidOf
from greenroom.actors.social.roles import is_moderator, require_moderator
from greenroom.actors.social.thread.messages import Hide as HideComment
from greenroom.actors.social.thread.view import Comments

REPORTS_PER_H = 60  # by one user, over all posts
SHOWN_MAX = 100  # reports, in the view
UNSEEN: frozenset[CaseState] = frozenset(("pending", "hidden"))  # the post is shown to its author alone
DONE = Done()


class Case(Actor[CaseFile]):
    """What moderators are to decide of one post, or of one comment; the key says of which."""

    kind = "case"
    commands: ClassVar[tuple[type[Message], ...]] = (Report, Look, HidePost, Restore, Dismiss, ShadowAuthor)
    internal: ClassVar[tuple[type[Message], ...]] = (Flag,)
    events: ClassVar[tuple[type[Event], ...]] = (Opened, Reported, Moved, AuthorShadowed)
    limits = KindLimits(history_s=FOR_EVER, idle_s=30.0)
    hide_at: ClassVar[int] = 5  # users who report it until it is hidden

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._about = about_of(self.key)

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        if self._about is None:
            raise _not_found()
        match message:
            case Report():
                return self._report(message)
            case Flag():
                return self._flag(message)
        require_moderator(self.principal)
        match message:
            case HidePost():
                return self._hide(message)
            case Look():
                return self._look()
        if self.state.state is None:
            raise Refused("case.not_found", "nobody has reported it", status=404)
        match message:
            case Restore() | Dismiss():
                return self._clear(message)
            case ShadowAuthor():
                return self._shadow(message)
        raise TypeError(f"{message!r:.100} is none of its messages")

    # What is said against it.

    async def _report(self, message: Report) -> Done:
        """By whoever can see it: others neither hide it nor learn that it is there. Raises: Refused."""
        user = self.require_user()
        self.limit_user("case.too_many_reports", REPORTS_PER_H)
        looked = await self._look(user)
        if user == looked.author:
            raise Refused("case.oneself", "it is your own: delete it", status=409)
        if self.state.state is None:
            self.record(Opened(author=looked.author, state="open"))
        return self._add(user, message, looked.edited_ms)

    async def _look(self, reader: str = "") -> Looked:
        """What it says, and whose it is; so there are no cases of what is none. With a reader, as far as they may see
        it; moderators see all. Raises: Refused."""
        about = self._about
        assert about is not None
        may_see_all = not reader or is_moderator(self.principal)
        if not may_see_all:
            await self.ask(f"post:{about.post}", MayAct(user=reader))
        if not about.comment:
            said = await self.ask(f"post:{about.post}", SaidOf())
            return Looked(author=said.author, text=said.text, media=said.media, edited_ms=said.edited_ms)
        found = await self.query(Comments.Row, about.post, where={"offset": about.comment}, limit=1)
        row = found.rows[0] if found.rows else None
        if row is None or (row.veil and not may_see_all and reader != row.author):
            raise _not_found()
        return Looked(author=row.author, text=row.text, edited_ms=row.edited_ms)

    def _add(self, user: str, message: Report, edited_ms: int) -> Done:
        state = self.state
        before = state.reporters.get(user)
        if before is None and len(state.reporters) >= REPORTERS_MAX:
            return DONE  # they are enough
        if before == message.reason and user in state.reports and state.reports[user].text == message.text:
            return DONE
        reasons = dict(state.reasons)
        if before is not None:
            reasons[before] -= 1
        reasons[message.reason] = reasons.get(message.reason, 0) + 1
        self.record(
            Reported(
                state=_some(state.state),
                user=user,
                reason=message.reason,
                text=message.text,
                count=len(state.reporters) + (before is None),
                reasons={reason: count for reason, count in reasons.items() if count},
            )
        )
        if len(state.reporters) - state.decided >= self.hide_at:
            is_cleared = state.is_cleared and edited_ms == state.edited_ms  # it, and not what it says by now
            if state.state not in UNSEEN and not is_cleared:
                self._move("pending")
            elif state.state == "cleared":
                self.record(Moved(was="cleared", state="open"))
        return DONE

    def _flag(self, message: Flag) -> None:
        """It is hidden, or shadowed, already: by whoever tells it."""
        hidden, was = message.verdict == "hide", self.state.state
        if was is None:
            self.record(Opened(author=message.author, state="pending" if hidden else "open", rule=message.rule))
        elif hidden and (was not in UNSEEN or (was == "hidden" and not message.rule)):
            self.record(Moved(was=was, state="pending", rule=message.rule))

    # What is made of it.

    async def _hide(self, message: HidePost) -> Done:
        """Whether anybody has reported it or not. Raises: Refused."""
        if self.state.state is None:
            looked = await self._look()
            _require_same(looked.edited_ms, message.edited_ms)
            self.record(Opened(author=looked.author, state="open"))
        else:
            await self._require_unedited(message.edited_ms)
        return self._move("hidden", message.why, message.edited_ms)

    async def _clear(self, message: Restore | Dismiss) -> Done:
        """Raises: Refused."""
        await self._require_unedited(message.edited_ms)
        return self._move("cleared", message.why, message.edited_ms)

    async def _require_unedited(self, edited_ms: int) -> None:
        """What was looked at is decided, and not what has taken its place since. Raises: Refused."""
        try:
            looked = await self._look()
        except Refused as error:
            if error.temporary:
                raise
            return  # of what is gone nothing is shown, and so nothing exchanged
        _require_same(looked.edited_ms, edited_ms)

    def _move(self, to: CaseState, why: str = "", edited_ms: int = 0) -> Done:
        """By a moderator; `pending` by nobody. `edited_ms` is of what was looked at."""
        was, by = _some(self.state.state), self.principal.user if to in DECIDED else ""
        if was == to:
            return DONE
        self.record(Moved(was=was, state=to, by=by, why=why, edited_ms=edited_ms))
        hides, hid = to in UNSEEN, was in UNSEEN
        if hides != hid:
            self._hide_or_show(hides, None if to == "pending" else edited_ms)
        if hides != hid or to in DECIDED:
            self._tell_author(hides)
        return DONE

    def _hide_or_show(self, hidden: bool, seen: int | None) -> None:
        """What was looked at; what was edited by then is hidden either way, and comes back with a flag."""
        about = self._about
        if about is not None and about.comment:
            self.tell(f"thread:{about.post}", HideComment(offset=about.comment, hidden=hidden, edited_ms=seen))
        elif about is not None:
            reason = "moderation" if hidden else ""
            self.tell(f"post:{about.post}", Hide(hidden=hidden, reason=reason, edited_ms=seen))

    def _tell_author(self, hidden: bool) -> None:
        """That it is hidden, and not by whom, nor who has reported it; or that it is no more."""
        inbox, notice = f"inbox:{self.state.author}", f"hidden:{self.key}"
        about = f"post:{self.key.partition('.')[0]}"
        if hidden:
            self.tell(inbox, Notify(id=notice, kind="moderation", by="", about=about, group=notice))
        else:
            self.tell(inbox, Withdraw(id=notice))

    def _shadow(self, message: ShadowAuthor) -> Done:
        author, by = self.state.author, self.principal.user
        state = _some(self.state.state)
        self.record(AuthorShadowed(state=state, author=author, seconds=message.seconds, by=by, why=message.why))
        shadow = ShadowFor(user=author, seconds=message.seconds, by=by, why=message.why, about=self.key)
        self.tell(f"rules:{RULES_KEY}", shadow)
        return DONE

    def apply(self, event: CaseEvent) -> None:
        self.state.change(event, self.at_ms)

    def may_watch(self) -> None:
        """Raises: Refused."""
        require_moderator(self.principal)
        if self.state.state is None:
            raise Refused("case.not_found", "nobody has reported it", status=404)

    def view(self) -> CaseShown:
        state = self.state
        newest = sorted(state.reports.items(), key=lambda one: -one[1].at_ms)[:SHOWN_MAX]
        return CaseShown(
            state=state.state or "",
            author=state.author,
            rule=state.rule,
            count=len(state.reporters),
            reasons=state.reasons,
            reports=[
                ReportShown(user=user, reason=kept.reason, text=kept.text, at_ms=kept.at_ms) for user, kept in newest
            ],
            decided_by=state.decided_by,
            decided_ms=state.decided_ms,
            why=state.why,
        )


def _some(state: CaseState | None) -> CaseState:
    """Of a case that there is."""
    assert state is not None
    return state


def _require_same(is_now: int, was_seen: int) -> None:
    """Raises: Refused."""
    if is_now != was_seen:
        raise Refused("case.edited", "it says something else by now: look at it again", status=409)


def _not_found() -> Refused:
    return Refused("case.nothing", "there is no such post, or comment", status=404)
