"""Shards on their way to other nodes: what waits for their entities, in which order, and how much."""

import pytest

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.mailbox import Sealed
from greenroom.config.limits import MailboxConfig
from greenroom.supervisors.kernel import departing as module
from greenroom.supervisors.kernel.departing import Departing
from tests.supervisors.kernel.small_kernel import Heard, Log


def log_kind() -> Kind:
    return Kinds((Log,))["log"]


def heard(text: str) -> Heard:
    return Heard(text=text)


def test_what_comes_for_an_entity_waits_in_order() -> None:
    departing, kind = Departing(MailboxConfig()), log_kind()
    assert not departing and 1 not in departing
    departing.begin([1, 2])
    assert departing and 1 in departing
    for text in "123":
        departing.held(1, "log:a", kind).mailbox.put(heard(text))
    departing.held(1, "log:b", kind).mailbox.put(heard("4"))
    left = {entity: [item.text for item in items] for entity, items in departing.end(1) if items}  # type: ignore[union-attr]
    assert left == {"log:a": ["1", "2", "3"], "log:b": ["4"]}
    assert 1 not in departing and 2 in departing
    assert list(departing.end(2)) == list(departing.end(3)) == []


def test_whoever_has_kept_the_mailbox_looks_for_the_entity_anew() -> None:
    departing = Departing(MailboxConfig())
    departing.begin([1])
    mailbox = departing.held(1, "log:a", log_kind()).mailbox
    list(departing.end(1))
    with pytest.raises(Sealed):
        mailbox.put(heard("late"))


def test_a_shard_is_empty_once_all_who_were_awake_have_ended() -> None:
    departing = Departing(MailboxConfig())
    departing.begin([1, 2, 3])
    departing.still_awake(1, "log:a")
    departing.still_awake(1, "log:b")
    departing.still_awake(2, "log:c")
    assert departing.empty([1, 2, 3]) == [3]
    departing.ended(2, "log:c")
    departing.ended(1, "log:a")
    departing.ended(9, "log:z")
    assert departing.empty([1, 2, 3]) == [2, 3]
    departing.ended(1, "log:b")
    assert departing.empty([1]) == [1]


def test_no_more_waits_for_an_entity_than_would_in_its_mailbox() -> None:
    departing, kind = Departing(MailboxConfig(capacity=2)), log_kind()
    departing.begin([1])
    mailbox = departing.held(1, "log:a", kind).mailbox
    for text in "12":
        mailbox.put_envelope(Envelope(message=heard(text)))
    with pytest.raises(Overloaded):
        mailbox.put_envelope(Envelope(message=heard("3")))


@pytest.mark.bound("entities on their way to another node, for which messages wait")
def test_no_more_than_so_many_entities_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_MAX", 2)
    departing, kind = Departing(MailboxConfig()), log_kind()
    departing.begin([1, 2])
    departing.held(1, "log:a", kind)
    departing.held(2, "log:b", kind)
    departing.held(2, "log:b", kind)
    with pytest.raises(Overloaded):
        departing.held(1, "log:c", kind)
    list(departing.end(1))
    list(departing.end(2))
    departing.begin([1])
    departing.held(1, "log:c", kind)
