"""The checker sees what is wrong: whole records pass, and each is spoilt in one way."""

from array import array
from collections.abc import Callable

import pytest

from tests.chaos.checker import check
from tests.chaos.records import NO_MARK, History, Leg, Member, Repeat, Send, mark
from tests.chaos.verdict import Verdict

ROOM = "room:one"


class Records:
    """Two members, three messages each; everybody was connected twice. Offsets 1 and 3 are the joins."""

    def __init__(self) -> None:
        marks = [NO_MARK, mark(0, 0), NO_MARK, mark(1, 0), mark(0, 1), mark(1, 1), mark(0, 2), mark(1, 2)]
        self.history = History(ROOM, "e1", list(range(1, 9)), marks, counted=6)
        self.members = [self._member(0, [2, 5, 7]), self._member(1, [4, 6, 8])]

    def _member(self, number: int, offsets: list[int]) -> Member:
        sends = [Send(index, offset - 1, offset, 1000 + offset) for index, offset in enumerate(offsets)]
        legs = [self._leg(0, 5, recovered=False), self._leg(5, 8, recovered=True)]
        return Member(ROOM, number, sends, [Repeat(0, offsets[0], 1000 + offsets[0])], [], legs, live=True)

    def _leg(self, since: int, top: int, *, recovered: bool) -> Leg:
        marks = self.history.marks[since:top]
        return Leg("e1", since, recovered, array("q", range(since + 1, top + 1)), array("q", marks))

    def check(self) -> Verdict:
        return check(self.members, [self.history])


def test_whole_records_pass() -> None:
    verdict = Records().check()
    assert verdict.broken == 0 and verdict.examples == {}
    assert (verdict.acknowledged, verdict.seen, verdict.repeated, verdict.reconnects) == (6, 16, 2, 2)


def history_ends_early(records: Records) -> None:
    """A lost tail: the last two messages are gone from it."""
    del records.history.offsets[-2:], records.history.marks[-2:]
    records.history.counted -= 2


def history_has_a_gap(records: Records) -> None:
    del records.history.offsets[4], records.history.marks[4]
    records.history.counted -= 1


def a_subscriber_missed_one(records: Records) -> None:
    leg = records.members[0].legs[1]
    del leg.offsets[1], leg.marks[1]


def a_subscriber_missed_the_last(records: Records) -> None:
    leg = records.members[0].legs[1]
    del leg.offsets[-1], leg.marks[-1]


def a_recovery_left_a_gap(records: Records) -> None:
    leg = records.members[0].legs[1]
    del leg.offsets[0], leg.marks[0]


@pytest.mark.parametrize(
    "spoil",
    [
        history_ends_early,
        history_has_a_gap,
        a_subscriber_missed_one,
        a_subscriber_missed_the_last,
        a_recovery_left_a_gap,
    ],
)
def test_lost(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    assert records.check().lost > 0


def done_twice(records: Records) -> None:
    records.history.offsets.append(9)
    records.history.marks.append(mark(1, 2))
    records.history.counted += 1
    for member in records.members:
        member.legs[-1].offsets.append(9)
        member.legs[-1].marks.append(mark(1, 2))


def seen_twice(records: Records) -> None:
    leg = records.members[1].legs[0]
    leg.offsets.append(leg.offsets[-1])
    leg.marks.append(leg.marks[-1])


def recovered_from_too_early(records: Records) -> None:
    leg = records.members[1].legs[1]
    leg.offsets.insert(0, 5)
    leg.marks.insert(0, mark(0, 1))


@pytest.mark.parametrize("spoil", [done_twice, seen_twice, recovered_from_too_early])
def test_duplicated(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.duplicated == 1 and verdict.broken == 1


def seen_in_another_order(records: Records) -> None:
    leg = records.members[1].legs[1]
    leg.offsets[0], leg.offsets[1] = leg.offsets[1], leg.offsets[0]
    leg.marks[0], leg.marks[1] = leg.marks[1], leg.marks[0]


def _exchange(records: Records, one: int, other: int) -> None:
    """Two messages of member 0 in the other order, everywhere."""
    sends = records.members[0].sends
    first, second = sends[one], sends[other]
    for marks, since in [
        (records.history.marks, 0),
        *((leg.marks, leg.since) for member in records.members for leg in member.legs),
    ]:
        for offset, send in ((first.offset, second), (second.offset, first)):
            if 0 <= offset - since - 1 < len(marks):
                marks[offset - since - 1] = mark(0, send.number)
    first.offset, second.offset = second.offset, first.offset
    first.at_ms, second.at_ms = second.at_ms, first.at_ms
    first.floor = second.floor = 0
    records.members[0].repeats.clear()


def a_sender_overtook_itself(records: Records) -> None:
    _exchange(records, 0, 1)


def before_what_was_known(records: Records) -> None:
    records.members[0].sends[2].floor = 8


@pytest.mark.parametrize("spoil", [seen_in_another_order, a_sender_overtook_itself, before_what_was_known])
def test_reordered(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.reordered == 1 and verdict.broken == 1


def test_a_message_that_was_refused_for_now_may_come_behind_a_later_one() -> None:
    records = Records()
    _exchange(records, 0, 1)
    records.members[0].sends[0].retried = True
    assert records.check().broken == 0


def another_answer(records: Records) -> None:
    records.members[0].repeats.append(Repeat(1, 6, 1005))


def another_time(records: Records) -> None:
    records.members[0].repeats.append(Repeat(1, 5, 1006))


def seen_otherwise(records: Records) -> None:
    records.members[0].legs[0].marks[1] = mark(1, 2)


def recovered_from_elsewhere(records: Records) -> None:
    records.members[0].legs[0].offsets.pop()
    records.members[0].legs[0].marks.pop()


def a_miscount(records: Records) -> None:
    records.history.counted += 1


def another_epoch(records: Records) -> None:
    records.members[0].legs[1].epoch = "e2"


def a_message_of_nobody(records: Records) -> None:
    records.members[1].sends.pop()


@pytest.mark.parametrize(
    "spoil",
    [
        another_answer,
        another_time,
        seen_otherwise,
        recovered_from_elsewhere,
        a_miscount,
        another_epoch,
        a_message_of_nobody,
    ],
)
def test_contradicted(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.contradicted == 1 and verdict.broken == 1


def test_an_answer_that_names_another_offset_is_a_contradiction() -> None:
    records = Records()
    records.members[0].sends[2].offset = 9
    assert records.check().contradicted == 1


def not_live(records: Records) -> None:
    records.members[0].live = False


def never_acknowledged(records: Records) -> None:
    records.members[0].sends.append(Send(3, 8))


def no_answer(records: Records) -> None:
    records.members[0].unanswered = 1


@pytest.mark.parametrize("spoil", [not_live, never_acknowledged, no_answer])
def test_not_recovered(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.not_recovered == 1 and verdict.broken == 1


def test_a_refusal_for_good_is_broken() -> None:
    records = Records()
    records.members[0].refused.append("409 command_id.reused")
    assert records.check().broken == 1


def test_who_was_told_to_start_over_may_miss_what_lies_between_and_is_counted() -> None:
    records = Records()
    member = records.members[0]
    member.legs[1] = Leg("e1", 7, False, array("q", [8]), array("q", [mark(1, 2)]))
    verdict = records.check()
    assert verdict.broken == 0
    assert (verdict.resynchronised, verdict.passed_over) == (1, 2)
