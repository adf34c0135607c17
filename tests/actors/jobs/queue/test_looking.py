"""When a queue looks for what others have added, and that each look counts once."""

from msgspec.structs import replace

from greenroom.actors.jobs.queue.looking import ANSWER_MS, EVERY_MS, Looking
from greenroom.store.jobs.jobs import Look, Seen

NOW = 1_000_000
FIRST = Seen("1")
WHOLE = Look(Seen("2"), [])


def looking() -> Looking:
    return Looking(FIRST, NOW)


def found(one: Looking, since: Seen = FIRST, look: Look = WHOLE, now_ms: int = NOW) -> bool:
    return one.found(since, look, now_ms, 0.5)


def test_it_looks_as_it_begins_and_then_every_second_while_somebody_wants_what_there_is() -> None:
    one = looking()
    assert not one.is_due(NOW, polls=False)
    assert one.is_due(NOW, polls=True)
    assert not one.is_due(NOW + 1, polls=True), "one look at a time"
    assert found(one)
    assert one.next_ms(polls=True) == NOW + EVERY_MS and one.next_ms(polls=False) is None
    assert not one.is_due(NOW + EVERY_MS - 1, polls=True)
    assert one.is_due(NOW + EVERY_MS, polls=True)


def test_no_two_queues_look_in_step() -> None:
    times = []
    for chance in (0.0, 1.0):
        one = looking()
        one.found(FIRST, WHOLE, NOW, chance)
        times.append(one.next_ms(polls=True))
    assert times == [NOW + int(0.8 * EVERY_MS), NOW + int(1.2 * EVERY_MS)]


def test_it_looks_at_once_when_it_is_told_and_again_when_it_was_told_while_it_looked() -> None:
    one = looking()
    one.told()
    assert one.is_due(NOW, polls=False)
    one.told()
    assert not one.is_due(NOW, polls=False)
    assert found(one)
    assert one.is_due(NOW, polls=False)
    assert found(one, WHOLE.seen, Look(Seen("3"), []))
    assert not one.is_due(NOW, polls=False)


def test_a_look_of_which_nothing_comes_is_asked_for_again() -> None:
    one = looking()
    assert one.is_due(NOW, polls=True)
    assert one.next_ms(polls=True) == NOW + ANSWER_MS
    assert not one.is_due(NOW + ANSWER_MS - 1, polls=True)
    assert one.is_due(NOW + ANSWER_MS, polls=True)


def test_what_comes_twice_or_from_before_is_passed_over() -> None:
    one = looking()
    assert found(one) and one.seen == Seen("2")
    assert not found(one), "the answer to the same look"
    assert one.seen == Seen("2")


def test_what_a_former_life_has_asked_for_is_nobodys_though_a_standby_gives_the_same_numbers() -> None:
    former, one = Seen("1"), looking()
    assert one.is_due(NOW, polls=True)
    assert not found(one, former) and one.seen is FIRST
    assert found(one)


def test_it_looks_on_at_once_where_there_is_more() -> None:
    one = looking()
    part = Look(Seen("1", "2", "77", "a" * 32), [])
    assert found(one, look=part) and one.seen == part.seen
    assert one.is_due(NOW, polls=False)
    assert not found(one, replace(part.seen, xid="76"))
    assert found(one, part.seen) and one.seen == Seen("2")


def test_what_somebody_has_said_is_not_forgotten_with_a_look_that_is_lost() -> None:
    one = looking()
    one.told()
    assert one.is_due(NOW, polls=False)
    assert not one.is_due(NOW + ANSWER_MS - 1, polls=False)
    assert one.is_due(NOW + ANSWER_MS, polls=False), "nobody works there, so nothing else has it look"
    assert one.next_ms(polls=False) == NOW + 2 * ANSWER_MS
