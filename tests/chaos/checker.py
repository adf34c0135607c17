"""The invariants, from the clients' own records: nothing here knows a process or a socket.

- What was acknowledged is in the history exactly once, where the answer said; nothing is there that nobody sent.
- A sender's messages are in the order in which they were sent. Whatever was sent after somebody knew of an offset comes
  behind that offset.
- The same key got the same answer.
- Every subscriber saw every publication once, in order, and as the history has it, or was told to start over.
- When faults had stopped, everybody was back, and had an answer to everything.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.records import NO_MARK, History, Member
from tests.chaos.verdict import Verdict


def check(members: Iterable[Member], histories: Iterable[History]) -> Verdict:
    """Every member's room must be among `histories`."""
    verdict = Verdict()
    rooms: dict[str, list[Member]] = {}
    for member in members:
        rooms.setdefault(member.room, []).append(member)
    by_room = {history.room: history for history in histories}
    for room, present in rooms.items():
        _check_room(verdict, by_room[room], present)
    return verdict


def _check_room(verdict: Verdict, history: History, members: list[Member]) -> None:
    room = history.room
    _check_sequence(verdict, f"history of {room}", history.offsets, since=0)
    at = dict(zip(history.offsets, history.marks, strict=True))
    times = Counter(one for one in history.marks if one != NO_MARK)
    for one, count in times.items():
        if count > 1:
            verdict.count("duplicated", f"{room}: {_name(one)} is in the history {count} times", count - 1)
    if history.counted != times.total():
        verdict.count("contradicted", f"{room} counts {history.counted} messages, its history has {times.total()}")
    by_number = {member.number: member for member in members}
    for one in times:
        sender = by_number.get(one >> 32)
        if sender is None or one & 0xFFFFFFFF >= len(sender.sends):
            verdict.count("contradicted", f"{room}: nobody sent {_name(one)}, which is in the history")
    for member in members:
        _check_sender(verdict, member, at, times)
        _check_subscriber(verdict, member, history, at)


def _check_sender(verdict: Verdict, member: Member, at: dict[int, int], times: Counter[int]) -> None:
    highest = 0  # offset of an earlier message that was sent only once: whatever was sent later comes behind it
    for send in member.sends:
        one = member.number << 32 | send.number
        if not send.offset:
            verdict.count("not_recovered", f"{member.room}: {_name(one)} was never acknowledged")
            continue
        verdict.acknowledged += 1
        if at.get(send.offset) != one:
            if one in times:
                verdict.count(
                    "contradicted", f"{member.room}: {_name(one)} was acknowledged at {send.offset} and is elsewhere"
                )
            else:
                verdict.count(
                    "lost", f"{member.room}: {_name(one)}, acknowledged at {send.offset}, is not in the history"
                )
        if send.offset <= send.floor:
            verdict.count(
                "reordered", f"{member.room}: {_name(one)} is at {send.offset}, sent when {send.floor} was known"
            )
        elif send.offset < highest:
            verdict.count(
                "reordered", f"{member.room}: {_name(one)} is at {send.offset}, behind a later message at {highest}"
            )
        if not send.retried:
            highest = max(highest, send.offset)
    for again in member.repeats:
        verdict.repeated += 1
        first = member.sends[again.number]
        if (again.offset, again.at_ms) != (first.offset, first.at_ms):
            verdict.count(
                "contradicted",
                f"{member.room}: key of {_name(member.number << 32 | again.number)} was answered with "
                f"{first.offset} at {first.at_ms} ms, then with {again.offset} at {again.at_ms} ms",
            )
    for text in member.refused:
        verdict.count("refused", f"{member.room}: member {member.number} was refused: {text}")


def _check_subscriber(verdict: Verdict, member: Member, history: History, at: dict[int, int]) -> None:
    who = f"member {member.number} of {member.room}"
    verdict.reconnects += max(0, len(member.legs) - 1)
    position = 0
    for number, leg in enumerate(member.legs):
        if not leg.recovered and number:
            verdict.passed_over += max(0, leg.since - position)
            verdict.count(
                "resynchronised", f"{who} was told to start over: it was at {position}, the room at {leg.since}"
            )
        elif number and leg.since != position:
            verdict.count("contradicted", f"{who} recovered from {leg.since} and had been at {position}")
        if leg.epoch != history.epoch and leg is member.legs[-1] and member.live:
            verdict.count("contradicted", f"{who} is in epoch {leg.epoch}, the history in {history.epoch}")
        position = _check_sequence(verdict, who, leg.offsets, since=leg.since)
        verdict.seen += len(leg.offsets)
        for offset, one in zip(leg.offsets, leg.marks, strict=True):
            if at.get(offset) != one:
                verdict.count(
                    "contradicted", f"{who} saw {_name(one)} at {offset}, where the history has {_name(at.get(offset))}"
                )
    if not member.live:
        verdict.count("not_recovered", f"{who} was not back at the end")
    elif history.offsets and position < history.offsets[-1]:
        behind = history.offsets[-1] - position
        verdict.count("lost", f"{who} saw nothing after {position}, the history goes on for {behind} more", behind)
    if member.unanswered:
        text = f"{who} got no answer to {member.unanswered} commands"
        verdict.count("not_recovered", text, member.unanswered)


def _check_sequence(verdict: Verdict, what: str, offsets: Sequence[int], *, since: int) -> int:
    """Each offset after `since` once and in order; gives the highest. What is missing and comes later is reordered."""
    missing: set[int] = set()
    top = since
    for offset in offsets:
        if offset == top + 1:
            top = offset
        elif offset > top:
            missing.update(range(top + 1, offset))
            top = offset
        elif offset in missing:
            missing.discard(offset)
            verdict.count("reordered", f"{what}: {offset} came after {top}")
        else:
            verdict.count("duplicated", f"{what}: {offset} came again, after {top}")
    if missing:
        verdict.count("lost", f"{what}: {len(missing)} are missing, the first is {min(missing)}", len(missing))
    return top


def _name(one: int | None) -> str:
    if one is None:
        return "nothing"
    return "another event" if one == NO_MARK else f"message {one & 0xFFFFFFFF} of member {one >> 32}"
