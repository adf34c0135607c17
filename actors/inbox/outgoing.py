"""What goes out of an inbox: when, by which channel, and what becomes of it.

A group waits for its channel's pace: a moment, in which it may still be read or withdrawn, or the next digest; and for
the end of quiet hours, digests too. What goes out at one time is one message. Whatever is read, put away or withdrawn
before, is not sent; a job that has yet to begin is cancelled.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, Literal, get_args

from greenroom.actors.inbox.deliveries.addresses import mail_provider, web_provider
from greenroom.actors.inbox.deliveries.composed import hook_body, push_payload, subject_and_body
from greenroom.actors.inbox.deliveries.orders import HookOrder, MailOrder, Order, Outcome, PushOrder
from greenroom.actors.inbox.events import (
    Again,
    Delivered,
    Dispatched,
    GroupSaid,
    HookRemoved,
    Kept,
    MailRemoved,
    PushRemoved,
)
from greenroom.actors.inbox.messages import Due, Outside, Pace
from greenroom.actors.inbox.preferences import OUTSIDE, pace_of
from greenroom.actors.inbox.quiet import quiet_until
from greenroom.actors.inbox.state import (
    FLIGHTS_IN_ALL_MAX,
    FLIGHTS_MAX,
    TOLD,
    WAITS,
    Flight,
    Group,
    Hook,
    InboxState,
    Mail,
    Push,
    again,
)
from greenroom.actors.inbox.wording import PLAIN, Words
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.store.errors import StoreUnavailable

SETTLE_S = {"mail": 60.0, "push": 2.0, "hook": 1.0}  # in which it may still be read, or be more
AGAIN_S = {"mail": 3_600.0, "push": 60.0, "hook": 0.0}  # between two messages about one group
Digest = Literal["hourly", "daily"]
HOUR_MS = 3_600_000
SENDER_PER_H = 30  # notices of one user in an hour, from which on nothing of theirs goes out at once
FULL_S = 300.0  # until it is tried again, where too many jobs are under way
DIGESTS: Final[tuple[Digest, ...]] = get_args(Digest)
HOURLY, DAILY = "0 * * * *", "{minute} {hour} * * *"
NAMED_GROUPS_MAX = 100  # as many as one message has
DELIVERY = "delivery"  # the label of jobs that we want to hear of


def digest_of(text: str) -> str:
    """What stands for an id that may name users."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def _digest_timer(message: Due) -> str:
    return f"{message.pace} {message.channel}".rstrip()


class Plan:
    """What each channel will do with a notice."""

    def __init__(self) -> None:
        self.paces: dict[str, Pace] = {}
        self.due_ms: dict[str, int] = {}
        self.outcomes: dict[str, str] = {}


class Speaking(Actor[InboxState]):
    """An inbox, as far as it says something."""

    async def words(self, users: Sequence[str]) -> Words:
        """For what is sent to its user now: which sentences, and how these users are called. An application's own inbox
        may ask entities and views here, and must not record. Raises: ActorError, StoreUnavailable; then they are called
        by their ids, in English."""
        return PLAIN

    def say(self, number: int, text: str) -> None:
        """Of a group, to who watches now, and to nobody later. Of one key: nothing that was taken back comes behind
        that."""
        self.publish(GroupSaid(id=number, text=text), key=f"said {number}")


class Outgoing:
    """Of one inbox, for as long as it is awake: what it must not forget is in the inbox's state."""

    def __init__(self, inbox: Speaking) -> None:
        self._inbox = inbox
        self._words = PLAIN

    @property
    def _state(self) -> InboxState:
        return self._inbox.state

    def plan(self, kind: str, by: str, group: Group | None, id_: str) -> Plan:
        """`id_`: the notice's; one that was withdrawn, and is back, goes out where it has not been yet."""
        plan, state = Plan(), self._state
        is_live = pace_of(state.preferences, kind, "live") != "off"
        plan.outcomes["live"] = "shown" if is_live else "you have it off"
        for channel in OUTSIDE:
            if self._has_told(id_, channel):  # first of all: this decision takes the place of the one that says so
                decision = state.decisions.get(id_)
                plan.outcomes[channel] = again("" if decision is None else decision.channels[channel])
                continue
            told = self._plan_of(channel, kind, by, group)
            plan.outcomes[channel] = told.outcome
            if told.pace is not None:
                plan.paces[channel] = told.pace
                if told.pace == "now":
                    plan.due_ms[channel] = told.due_ms
        return plan

    def _plan_of(self, channel: str, kind: str, by: str, group: Group | None) -> Again:
        """What it does with a notice of which it has not told."""
        state, now = self._state, self._inbox.now
        pace = pace_of(state.preferences, kind, channel)
        if pace == "off":
            return Again("you have it off")
        if missing := self._missing(channel):
            return Again(missing)
        if pace != "now":
            return Again(f"{WAITS} for the {pace} digest", pace)
        if self._is_flood(by):
            return Again("they have done too much within the hour")
        sent_s = group.sent_ms.get(channel, 0) / 1000 if group is not None else 0.0
        due_ms = int(max(now + SETTLE_S[channel], sent_s + AGAIN_S[channel]) * 1000)
        is_quiet = quiet_until(now, state.quiet, state.timezone) is not None
        return Again(f"{WAITS} until quiet hours end" if is_quiet else f"{WAITS} a moment", pace, due_ms)

    def _is_flood(self, by: str) -> bool:
        since_ms = int(self._inbox.now * 1000) - HOUR_MS
        recent = sum(one.by == by and one.at_ms > since_ms for one in self._state.decisions.values())
        return recent >= SENDER_PER_H

    def _has_told(self, id_: str, channel: str) -> bool:
        if id_ not in self._state.known:
            return False
        decision = self._state.decisions.get(id_)
        return decision is None or decision.channels.get(channel) in TOLD

    def _missing(self, channel: str) -> str:
        """Why nothing can go there; "" where it can."""
        state = self._state
        if channel == "mail" and state.mail is not None and not state.mail.confirmed:
            return "the address is not confirmed"
        has_any = {"mail": state.mail is not None, "push": bool(state.pushes), "hook": state.hook is not None}
        return "" if has_any[channel] else "there is nowhere to send it to"

    # When.

    def arm(self) -> None:
        """Have timers for all that waits."""
        for channel in OUTSIDE:
            self._arm(channel)
        for pace in self._digests:
            if pace not in self._inbox.timers:  # one that is there may have been put off until quiet hours end
                self._begin_digests(pace)

    def _arm(self, channel: str) -> None:
        waiting = self._state.waiting.get(channel, {})
        due_ms = min((one.due_ms for one in waiting.values() if one.pace == "now"), default=None)
        if due_ms is not None:
            at = max(due_ms / 1000, self._quiet_until or 0.0)
            self._inbox.set_timer(f"send {channel}", Due(pace="now", channel=channel), at=at)

    @property
    def _quiet_until(self) -> float | None:
        return quiet_until(self._inbox.now, self._state.quiet, self._state.timezone)

    def hours_changed(self) -> None:
        """What waits, waits by other hours."""
        for pace in DIGESTS:
            self._inbox.cancel_timer(pace)
        for channel in OUTSIDE:
            self._arm(channel)
        for pace in self._digests:
            self._begin_digests(pace)

    def turned_off(self, kind: str, channel: str) -> None:
        """What waits of it is not sent, nor what a job has not sent yet: who has ended mails at one click gets none of
        them any more, but one that is on its way."""
        state, reason = self._state, "you have it off"
        numbers = [n for n in state.waiting.get(channel, {}) if state.groups[n].kind == kind]
        if numbers:
            self._inbox.record(Kept(channel=channel, groups=numbers, reason=reason))
        for job, flight in state.flights.items():
            kinds = {state.groups[n].kind for n in flight.groups if n in state.groups}
            if flight.channel == channel and kind in kinds and all(self._is_off(one, channel) for one in kinds):
                self._inbox.tell(f"job:{job}", Cancel(reason=reason))

    def _is_off(self, kind: str, channel: str) -> bool:
        return pace_of(self._state.preferences, kind, channel) == "off"

    @property
    def _digests(self) -> list[Digest]:
        """Those that something waits for."""
        paces = {one.pace for waiting in self._state.waiting.values() for one in waiting.values()}
        return [pace for pace in DIGESTS if pace in paces]

    def _begin_digests(self, pace: Digest) -> None:
        hour, minute = divmod(self._state.digest_at, 60)
        cron = HOURLY if pace == "hourly" else DAILY.format(hour=hour, minute=minute)
        self._inbox.set_timer(pace, Due(pace=pace), cron=cron, timezone=self._state.timezone)

    async def due(self, message: Due) -> None:
        """It is time for what waits: said in words as they are now."""
        try:
            self._words = await self._inbox.words(self._named(message))
        except (ActorError, StoreUnavailable):
            self._words = PLAIN  # who they are by their ids is better than nothing
        self._due(message)

    def _named(self, message: Due) -> list[str]:
        """Whom it may name."""
        state = self._state
        channels = (message.channel,) if message.channel else OUTSIDE
        groups = {number: None for channel in channels for number in state.waiting.get(channel, {})}
        newest = [state.groups[number] for number in sorted(groups, reverse=True)[:NAMED_GROUPS_MAX]]
        return sorted({name for group in newest for name in group.names})

    def _due(self, message: Due) -> None:
        if message.pace == "now":
            self._due_now(message)
        elif self._quiet_until is not None:
            self._inbox.set_timer(_digest_timer(message), message, at=self._quiet_until)
        else:
            self._inbox.cancel_timer(_digest_timer(message))  # the next notice for it begins another
            for channel in (message.channel,) if message.channel else OUTSIDE:
                self._send_digest(channel, message.pace)

    def _due_now(self, message: Due) -> None:
        inbox, channel = self._inbox, message.channel
        if self._is_full(channel):
            inbox.set_timer(f"send {channel}", message, after=FULL_S)
            return
        if self._quiet_until is None:
            now_ms = int(inbox.now * 1000)
            waiting = self._state.waiting.get(channel, {})
            self._dispatch(channel, [n for n, one in waiting.items() if one.pace == "now" and one.due_ms <= now_ms])
        self._arm(channel)

    def _send_digest(self, channel: str, pace: Digest) -> None:
        waiting = self._state.waiting.get(channel, {})
        numbers = [n for n, one in waiting.items() if one.pace == pace]
        if numbers and self._is_full(channel):
            again = Due(pace=pace, channel=channel)
            self._inbox.set_timer(_digest_timer(again), again, after=FULL_S)
        else:
            self._dispatch(channel, numbers)

    def _is_full(self, channel: str) -> bool:
        """Are too many jobs under way to wherever it leads to?"""
        addresses = self._addresses(channel)
        return bool(addresses) and not self._roomy(addresses)

    def _roomy(self, addresses: Iterable[str]) -> set[str]:
        """Those to which more may go. One that is slow or down holds up no other."""
        flights = self._state.flights
        if len(flights) >= FLIGHTS_IN_ALL_MAX:
            return set()
        under_way = Counter(flight.to for flight in flights.values())
        return {to for to in addresses if under_way[to] < FLIGHTS_MAX}

    def _addresses(self, channel: str) -> dict[str, Mail | Push | Hook]:
        """Where it leads to, by what stands for it: a job may come back when there is another in its place."""
        state = self._state
        if channel == "mail":
            return {self._to(mail.address): mail for mail in (state.mail,) if mail is not None}
        if channel == "hook":
            return {self._to(hook.url, hook.secret): hook for hook in (state.hook,) if hook is not None}
        return {self._to(push.endpoint, push.p256dh, push.auth): push for push in state.pushes.values()}

    def _to(self, *address: str) -> str:
        return digest_of(" ".join((self._inbox.entity, *address)))

    # Out.

    def _dispatch(self, channel: str, numbers: list[int]) -> None:
        if not numbers:
            return
        inbox, state = self._inbox, self._state
        if missing := self._missing(channel):
            inbox.record(Kept(channel=channel, groups=numbers, reason=missing))
            return
        orders = self._orders(channel, {n: state.groups[n] for n in reversed(state.groups) if n in set(numbers)})
        jobs = {inbox.start_job(order, about=DELIVERY): to for to, order in orders}
        inbox.record(Dispatched(channel=channel, groups=numbers, jobs=jobs))

    def _orders(self, channel: str, groups: dict[int, Group]) -> list[tuple[str, Order]]:
        """By what stands for the address. `groups`: the newest first."""
        id_ = digest_of(f"{self._inbox.entity} {self._inbox.offset} {channel}")
        addresses = self._addresses(channel)
        roomy = self._roomy(addresses)
        return [(to, self._order(one, id_, groups)) for to, one in addresses.items() if to in roomy]

    def _order(self, to: Mail | Push | Hook, id_: str, groups: dict[int, Group]) -> Order:
        user, numbers, since = self._inbox.key, list(groups), self._inbox.offset
        match to:
            case Mail(address=address):
                subject, body = self.composed("mail", groups, self._words)
                return MailOrder(
                    provider=mail_provider(address),
                    id=id_,
                    to=address,
                    subject=subject,
                    body=body,
                    user=user,
                    kinds=sorted({group.kind for group in groups.values()}),
                    groups=numbers,
                    since=since,
                )
            case Hook(url=url):
                _, body = self.composed("hook", groups, self._words)
                return HookOrder(
                    provider=web_provider(url),
                    id=id_,
                    url=url,
                    secret=to.secret,
                    body=body,
                    user=user,
                    groups=numbers,
                    since=since,
                )
            case Push(endpoint=endpoint):
                _, payload = self.composed("push", groups, self._words)
                return PushOrder(
                    provider=web_provider(endpoint),
                    id=id_,
                    endpoint=endpoint,
                    p256dh=to.p256dh,
                    auth=to.auth,
                    payload=payload,
                    topic=digest_of(f"{self._inbox.entity} {numbers[0]}"),
                    user=user,
                    groups=numbers,
                    since=since,
                )

    def composed(self, channel: Outside, groups: dict[int, Group], words: Words) -> tuple[str, str]:
        """A subject, of mails alone, and what says it. `groups`: at least one, the newest first."""
        unread = self._state.unread
        match channel:
            case "mail":
                return subject_and_body(list(groups.values()), words)
            case "hook":
                return "", hook_body(self._inbox.key, groups, unread, words)
            case "push":
                return "", push_payload(groups, unread, words)

    def hear(self, message: Answered | Undelivered) -> None:
        """What became of a job."""
        job = message.entity.removeprefix("job:")
        flight = self._state.flights.get(job)
        if flight is None:
            return
        if isinstance(message, Undelivered):
            reason = "it was read, taken back or turned off before" if message.name == "job.cancelled" else message.name
            self._end(job, reason)
            return
        outcome = message.decode(Outcome)
        reason = "" if outcome.state == "sent" else outcome.detail or outcome.state
        self._end(job, reason, outcome.left_out)
        if outcome.state == "gone":
            self._remove(flight, reason)

    def _end(self, job: str, reason: str, left_out: Sequence[str] = ()) -> None:
        """What came again while that job had it, and was not told by it, goes out as if it came now: what took it back
        the first time is what has called the job back."""
        state, flight = self._state, self._state.flights[job]
        again: dict[str, Again] = {}
        for id_, outcome in state.settled_by(job, reason, left_out).items():
            decision, known = state.decisions[id_], state.known.get(id_)
            group = state.groups.get(decision.group)
            is_untold = id_ in left_out or decision.group not in flight.groups
            is_back = is_untold and known is not None and known.live
            if is_back and outcome not in TOLD and group is not None and not group.read:
                again[id_] = self._plan_of(flight.channel, decision.kind, decision.by, group)
        self._inbox.record(Delivered(job=job, reason=reason, again=again, left_out=list(left_out)))
        if again:
            self.arm()

    def _remove(self, flight: Flight, reason: str) -> None:
        """Nobody is there any more. What has come in its place stays."""
        match self._addresses(flight.channel).get(flight.to):
            case Mail():
                self._inbox.record(MailRemoved(reason=reason))
            case Hook():
                self._inbox.record(HookRemoved(reason=reason))
            case Push(endpoint=endpoint):
                self._inbox.record(PushRemoved(id=digest_of(endpoint), reason=reason))

    def call_back(self, reason: str, numbers: Iterable[int]) -> None:
        """These need not be told any more: cancel the jobs under way that tell of nothing else."""
        state, changed = self._state, set(numbers)
        for job, flight in state.flights.items():
            if changed.isdisjoint(flight.groups):
                continue
            if all(n not in state.groups or state.groups[n].read for n in flight.groups):
                self._inbox.tell(f"job:{job}", Cancel(reason=reason))
