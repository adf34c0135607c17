"""Stretches: what happened, as it is at present, and parts of it."""

from greenroom.actors.views.stretch import beginning
from tests.actors.views.shows import Clapped, Closed, Renamed, stretch


def test_what_happened_says_where_it_comes_from() -> None:
    one = stretch("show:a", Clapped(user="ann"), Closed(), after=4)
    assert (one.after, one.through) == (4, 6)
    assert [(origin.offset, origin.at_ms, type(event)) for origin, event in one.happened()] == [
        (5, 5_000, Clapped),
        (6, 6_000, Closed),
    ]
    assert one.happened() is one.happened()


def test_parts() -> None:
    one = stretch("show:a", *(Clapped(user=str(number)) for number in range(5)), after=10, fence=7)
    assert one.part(10, 15) is one and one.part(0, 99) is one
    part = one.part(12, 14)
    assert (part.after, part.through, part.fence) == (12, 14, 7)
    assert [event for _, event in part.happened()] == [Clapped(user="2"), Clapped(user="3")]


def test_a_state_goes_with_the_first_part() -> None:
    one = stretch("show:a", Clapped(user="ann"), Clapped(user="bob"), after=4, state=(b"{}", 1))
    assert one.part(4, 5).state is not None and one.part(5, 6).state is None


def test_what_a_newer_release_has_recorded_is_left_to_it() -> None:
    one = stretch("show:a", Clapped(user="ann"), Clapped(user="bob"))
    one.stored[1].payload = b'{"type":"show.of_tomorrow"}'
    one._kind._others.learn((), fields={}, behind_in=("show",))
    assert len(one.happened()) == 1
    assert one.broken is None and one.through == 1


def test_what_cannot_be_read_is_named() -> None:
    one = stretch("show:a", Clapped(user="ann"), Clapped(user="bob"), Clapped(user="cyd"))
    one.stored[1].payload = b"{"
    assert len(one.happened()) == 1
    assert one.broken is not None and one.broken[0] == 2


def test_what_it_says_is_told_by_how_its_events_begin() -> None:
    beginnings = (beginning(Clapped),)
    assert stretch("show:a", Renamed(title="x"), Clapped(user="ann")).says(beginnings)
    assert not stretch("show:a", Renamed(title='{"type":"show.clapped"'), Closed()).says(beginnings)
    odd = stretch("show:a", Renamed(title="x"))
    odd.stored[0].payload = b'{ "type":"show.renamed"}'
    assert odd.says(beginnings), "who knows"
