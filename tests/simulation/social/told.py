"""What must be true of all that leaves inboxes, once all is calm: by the journals, and by what was taken outside.

A group goes out on a channel once for each time that a notice made it wait; what is said to be sent was taken; one
message is brought by one job; a channel that has told of a notice says so, and no other does; and of what has not gone
out, the decision says why, or when it will.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.json import decode

from greenroom.actors.inbox.preferences import OUTSIDE
from greenroom.actors.inbox.quiet import Quiet, quiet_until
from greenroom.actors.inbox.state import HAS_TOLD, UNDER_WAY, WAITS, InboxState
from greenroom.store.journal.records import StoredEvent
from tests.simulation.social.provider import Provider

LATE_MS = 30_000  # what is due may take so long to be found due
Events = list[dict[str, Any]]


def told(
    inboxes: Mapping[str, InboxState],
    journals: Mapping[str, list[StoredEvent]],
    provider: Provider,
    now_ms: int,
    *,
    clocks_are_right: bool,
    is_whole: bool,
) -> Iterator[str]:
    """What is wrong. `clocks_are_right`: those of all nodes, always; by others quiet hours can't be judged. `is_whole`:
    no failover has lost that something went out, which goes out again then."""
    by_job = provider.by_job
    if is_whole:
        yield from _once(provider)
    for user, state in inboxes.items():
        entity = f"inbox:{user}"
        yield from (f"{entity}: {wrong}" for wrong in _decided(state))
        yield from (f"{entity}: {wrong}" for wrong in _late(state, now_ms))
        events = [decode(event.payload) for event in journals.get(entity, [])]
        if clocks_are_right:
            at_ms = [event.at_ms for event in journals.get(entity, [])]
            yield from (f"{entity}: {wrong}" for wrong in _quiet(events, at_ms))
        yield from (f"{entity}: {wrong}" for wrong in _sent(state, events, by_job))
        yield from (f"{entity}: {wrong}" for wrong in _confirmed(user, events, provider))


def _once(provider: Provider) -> Iterator[str]:
    """A message may come again, by another attempt at the same job."""
    jobs: dict[tuple[str, str], set[str]] = {}
    for one in provider.taken:
        jobs.setdefault((one.order, one.to), set()).add(one.job)
    yield from (f"{order} came to {to} by {len(by)} jobs" for (order, to), by in jobs.items() if len(by) > 1)


def _decided(state: InboxState) -> Iterator[str]:
    if state.flights:
        yield f"{sorted(state.flights)} are under way, and there are no jobs"
    for id_, decision in state.decisions.items():
        for channel, outcome in decision.channels.items():
            waits = decision.group in state.waiting.get(channel, {})
            if outcome == UNDER_WAY:
                yield f"{id_} is under way by {channel}, and there are no jobs"
            elif outcome.startswith(WAITS) and not waits:
                yield f"{id_} {outcome} by {channel}, and its group does not wait"
            elif not outcome:
                yield f"{id_} says nothing of {channel}"


def _late(state: InboxState, now_ms: int) -> Iterator[str]:
    quiet_s = quiet_until(now_ms / 1000, state.quiet, state.timezone)
    ended_s = quiet_until((now_ms - LATE_MS) / 1000, state.quiet, state.timezone)
    if quiet_s is not None or ended_s is not None:
        return
    for channel, waiting in state.waiting.items():
        late = [n for n, one in waiting.items() if one.pace == "now" and one.due_ms < now_ms - LATE_MS]
        if late:
            yield f"{late} were to go out by {channel} before now"


def _sent(state: InboxState, events: Events, by_job: Counter[str]) -> Iterator[str]:
    waiting: Counter[tuple[str, int]] = Counter()  # by channel and group
    notices: dict[int, dict[str, None]] = {}  # by group, those in it: a message tells of them all
    under_way: dict[str, tuple[str, list[str]]] = {}  # by job, the channel, and which notices it takes out
    told: dict[tuple[str, str], str] = {}  # by channel and notice, the job that has
    for event in events:
        match event["type"]:
            case "inbox.noticed":
                _drop(waiting, [event.get("drops", 0)])
                notices.setdefault(event["group"], {})[event["id"]] = None
                for channel in event["paces"]:
                    waiting[channel, event["group"]] = 1
                    if (channel, event["id"]) in told:
                        yield f"{event['id']} goes out by {channel} again, and has before"
            case "inbox.read" | "inbox.archived":
                _drop(waiting, event["groups"])
            case "inbox.withdrawn":
                if not event["count"]:
                    _drop(waiting, [event["group"]])
                for id_ in event["ids"]:
                    notices[event["group"]].pop(id_, None)
            case "inbox.dispatched":
                for group in event["groups"]:
                    if not waiting.pop((event["channel"], group), 0):
                        yield f"group {group} goes out by {event['channel']} without having waited"
                ids = [id_ for group in event["groups"] for id_ in notices[group]]
                under_way |= dict.fromkeys(event["jobs"], (event["channel"], ids))
            case "inbox.kept":
                for group in event["groups"]:
                    waiting.pop((event["channel"], group), None)
            case "inbox.delivered":
                channel, ids = under_way.pop(event["job"], ("", []))
                if not channel:
                    yield f"job {event['job']} has ended, and none was under way"
                elif not event.get("reason"):
                    left_out = event.get("left_out", [])
                    told |= {(channel, id_): event["job"] for id_ in ids if id_ not in left_out}
                for id_ in (id_ for id_, one in event.get("again", {}).items() if "pace" in one):
                    waiting[channel, next(number for number, those in notices.items() if id_ in those)] = 1
                    if (channel, id_) in told:
                        yield f"{id_} goes out by {channel} again, and has before"
    if under_way:
        yield f"nothing is said of what became of {sorted(under_way)}"
    jobs = sorted({job for job in told.values() if not by_job[job]})
    yield from (f"job {job} is said to have sent what nobody has got" for job in jobs)
    for id_, decision in state.decisions.items():
        for channel in OUTSIDE:
            outcome, has_told = decision.channels.get(channel, ""), (channel, id_) in told
            if (outcome in HAS_TOLD) != has_told:
                yield f"{id_} says {outcome!r} of {channel}, which has {'' if has_told else 'not '}told of it"


def _quiet(events: Events, at_ms: list[int]) -> Iterator[str]:
    """Nothing goes out in quiet hours."""
    quiet: Quiet | None = None
    timezone = "UTC"
    for event, when in zip(events, at_ms, strict=True):
        if event["type"] == "inbox.hours":
            begins, ends = event.get("quiet_from"), event.get("quiet_to")
            quiet = None if begins is None or ends is None else Quiet(begins, ends)
            timezone = event["timezone"]
        elif event["type"] == "inbox.dispatched" and quiet_until(when / 1000, quiet, timezone) is not None:
            yield f"{event['groups']} went out by {event['channel']} in quiet hours"


def _drop(waiting: Counter[tuple[str, int]], groups: list[int]) -> None:
    for key in [key for key in waiting if key[1] in groups]:
        del waiting[key]


def _confirmed(user: str, events: Events, provider: Provider) -> Iterator[str]:
    """Nothing but codes goes to an address that was never confirmed."""
    asked, confirmed = "", set()
    for event in events:
        if event["type"] == "inbox.mail_asked":
            asked = event["address"]
        elif event["type"] == "inbox.mail_confirmed":
            confirmed.add(asked)
    for one in provider.taken:
        if one.to.startswith(f"{user}@") and not one.is_code and one.to not in confirmed:
            yield f"{one.order} went to {one.to}, which nobody has confirmed"
