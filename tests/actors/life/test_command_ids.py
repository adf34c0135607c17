"""What a life remembers of commands, and what it answers who repeats one."""

import pytest

from greenroom.actors.life.command_ids import REMEMBERED_MAX, CommandIds, repeated
from greenroom.actors.life.departures import Answer, Rejection
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Refused
from greenroom.store.journal.records import Remembered
from tests.actors.life.small_life import Add, Slot


@pytest.mark.bound("command ids in an entity's memory")
def test_what_is_remembered_is_bounded_and_the_oldest_go() -> None:
    ids = CommandIds()
    for number in range(REMEMBERED_MAX + 1):
        ids.remember(str(number), Remembered(b"1"))
    assert len(ids.replies) <= REMEMBERED_MAX
    assert ids.is_unknown("0") and not ids.is_unknown(str(REMEMBERED_MAX))


def test_what_the_journal_did_not_have_at_the_last_look_is_not_looked_for_again() -> None:
    ids = CommandIds()
    ids.learn(["a", "b"], {"a": Remembered(b"1")})
    assert [ids.is_unknown(one) for one in ("a", "b", "c")] == [False, False, True]
    ids.learn(["c"], {})
    assert [ids.is_unknown(one) for one in ("a", "b", "c")] == [False, True, False], "of the last look alone"


def test_a_repeat_is_answered_as_the_first_and_another_command_is_refused() -> None:
    slot = Slot()
    envelope = Envelope(Add(amount=1), slot=slot, digest=5)
    for known in (Remembered(b"7", 5), Remembered(b"7", None)):
        assert repeated(envelope, slot, known) == Answer(slot, 7, b"7")
    refused = repeated(envelope, slot, Remembered(b"7", 6))
    assert isinstance(refused, Rejection) and isinstance(refused.error, Refused)
    assert (refused.error.name, refused.error.status) == ("command_id.reused", 409)


def test_a_reply_of_a_type_that_has_changed_since_is_answered_as_it_was() -> None:
    slot = Slot()
    assert repeated(Envelope(Add(amount=1), slot=slot), slot, Remembered(b'"x"')) == Answer(slot, "x", b'"x"')
