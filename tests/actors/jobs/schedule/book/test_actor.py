"""The book: which schedules there are, how many there may be, and which of them the code declares no more."""

import pytest

from greenroom.actors.jobs.schedule import Book
from greenroom.actors.jobs.schedule.book.messages import (
    SCHEDULES_MAX,
    Compare,
    Enter,
    Entry,
    List,
    Note,
    Strike,
    Wanted,
)
from greenroom.actors.jobs.schedule.messages import Orphan
from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.errors import Refused
from greenroom.testing import Kit


def entry(name: str, *, digest: str = "", state: str = "active", jitter_s: float = 0.0) -> Entry:
    when = Timing(every_s=60.0, jitter_s=jitter_s)
    return Entry(name=name, job="job.x", queue="q", when=when, state=state, declared=bool(digest), digest=digest)


def book(*entries: Entry) -> Kit[Book]:
    kit = Kit(Book, key="all")
    for one in entries:
        kit.ask(Enter(entry=one))
        kit.tell(Note(entry=one))
    return kit


def orphaned(kit: Kit[Book]) -> list[tuple[str, int]]:
    return [(told.entity, told.message.turn) for told in kit.told if isinstance(told.message, Orphan)]


def test_they_are_listed_by_name_with_the_next_time_of_each() -> None:
    kit = book(entry("b"), entry("c", state="paused"), entry("a"))
    listed = kit.ask(List(limit=2), user="ann", roles=("service",))
    assert ([one.name for one in listed.schedules], listed.more) == (["a", "b"], True)
    listed = kit.ask(List(after="b"))
    assert ([(one.name, one.next_ms) for one in listed.schedules], listed.more) == ([("c", None)], False)
    now_ms = int(kit.now * 1000)
    assert kit.ask(List()).schedules[0].next_ms == now_ms // 60_000 * 60_000 + 60_000
    assert [one["name"] for one in kit.view()["schedules"]] == ["a", "b", "c"]


def test_what_is_said_twice_is_noted_once() -> None:
    kit = book(entry("a"))
    before = kit.offset
    kit.ask(Enter(entry=entry("a")))
    kit.tell(Note(entry=entry("a")))
    assert kit.offset == before


def test_a_dropped_one_is_struck() -> None:
    kit = book(entry("a"))
    kit.tell(Strike(name="a"))
    kit.tell(Strike(name="a"))
    assert kit.view() == {"schedules": []}


@pytest.mark.bound("schedules")
def test_there_may_be_a_thousand() -> None:
    kit = book(*(entry(f"n{number}") for number in range(SCHEDULES_MAX)))
    with pytest.raises(Refused) as caught:
        kit.ask(Enter(entry=entry("one")))
    assert (caught.value.name, caught.value.status) == ("schedules.too_many", 409)
    with pytest.raises(Refused, match="too_many"):
        kit.ask(Compare(declared={"one": "d"}))
    kit.ask(Enter(entry=entry("n1")))
    kit.ask(Compare(declared={"n1": "d"}))


def test_a_node_is_told_what_differs_from_what_its_code_declares() -> None:
    kit = book(entry("a", digest="1"), entry("b", digest="1"), entry("c"))
    assert kit.ask(Compare(declared={"a": "1", "b": "2", "c": "1", "d": "1"})) == Wanted(["b", "c", "d"], 0)
    assert not orphaned(kit)


def test_what_is_declared_no_more_is_orphaned_once() -> None:
    kit = book(entry("a", digest="1"), entry("b", digest="1"), entry("by_hand"))
    assert kit.ask(Compare(declared={"b": "1"})) == Wanted([], 1, 1)
    assert orphaned(kit) == [("schedule:a", 1)]
    assert kit.ask(Compare(declared={"b": "1"})) == Wanted([], 1, 1)
    assert orphaned(kit) == [("schedule:a", 1)]
    kit.restart()


def test_what_was_orphaned_is_declared_anew_at_once_and_in_the_turn_of_it() -> None:
    """The orphan's message may still be on its way: the schedule knows by the turn that it is to count for nothing."""
    kit = book(entry("a", digest="1"))
    kit.ask(Compare(declared={}))
    assert kit.ask(Compare(declared={"a": "1"})) == Wanted(["a"], 1)


def test_there_is_one_book() -> None:
    with pytest.raises(Refused, match="not_found"):
        Kit(Book, key="some").ask(List())


def test_who_is_no_staff_is_told_nothing() -> None:
    kit = book()
    with pytest.raises(Refused, match="forbidden"):
        kit.ask(List(), user="ann")
    with pytest.raises(Refused, match="forbidden"):
        kit.watch(user="ann")
