"""What one end decides, without time or tasks: two ends, and a test that carries the entries between them."""

import pytest

from greenroom.actors.model.errors import Overloaded, Unavailable
from greenroom.config.limits import BusConfig
from greenroom.transports.bus.entries import AGAIN, ANSWER, FRAME_COST, VERSION, Entry, decode
from greenroom.transports.bus.link import ASKED_EVERY_S, Link

CONFIG = BusConfig(
    entry_bytes_max=100,
    window_bytes=1000,
    window_entries=4,
    queue_frames_max=50,
    queue_bytes_max=4000,
    silent_s=5.0,
    absent_s=3.0,
)


def ends() -> tuple[Link, Link]:
    return Link(1, 2, CONFIG), Link(2, 1, CONFIG)


def carry(raws: list[bytes], to: Link) -> list[bytes | None]:
    """What that end hands on of these entries: frames, None for a parting."""
    heard: list[bytes | None] = []
    for raw in raws:
        parted, frames = to.arrived(decode(raw), len(raw))
        heard += [None] if parted else []
        heard += frames
    return heard


def one(raws: list[bytes]) -> Entry:
    (raw,) = raws
    return decode(raw)


def test_frames_that_fit_leave_in_one_entry() -> None:
    ann, ben = ends()
    ann.put(b"a")
    ann.put(b"b")
    assert carry(ann.take(), ben) == [b"a", b"b"]
    assert ann.take() == []
    assert ben.owes


def test_an_entry_holds_so_many_bytes_or_one_longer_frame() -> None:
    ann, _ = ends()
    for frame in (bytes(60), bytes(60), bytes(500), b"", b""):
        ann.put(frame)
    assert [len(decode(raw).frames) for raw in ann.take()] == [1, 1, 1, 2]


def test_the_window_holds_back_what_is_not_acknowledged() -> None:
    ann, ben = ends()
    for _ in range(10):
        ann.put(bytes(90))
    first = ann.take()
    assert len(first) == CONFIG.window_entries
    assert ann.take() == []
    carry(first, ben)
    carry(ben.take(), ann)
    assert ann.has_to_say
    assert [decode(raw).number for raw in ann.take()] == [5, 6, 7, 8]


def test_a_part_of_the_window_is_acknowledged_at_once_and_less_when_time_has_passed() -> None:
    ann, ben = ends()
    ann.put(b"a frame")
    carry(ann.take(), ben)
    assert (ben.owes, ben.has_to_say) == (True, True), "four entries fill the window, so each is a quarter of it"
    wide = BusConfig()
    ann, ben = Link(1, 2, wide), Link(2, 1, wide)
    ann.put(b"a frame")
    carry(ann.take(), ben)
    assert (ben.owes, ben.has_to_say) == (True, False)
    ben.acknowledge()
    assert (ben.owes, ben.has_to_say) == (True, True)
    assert one(ben.take()).acknowledged == 1
    assert (ben.owes, ben.has_to_say) == (False, False)


def test_what_is_said_anyway_acknowledges() -> None:
    ann, ben = ends()
    ann.put(b"question")
    carry(ann.take(), ben)
    ben.put(b"answer")
    assert carry(ben.take(), ann) == [b"answer"]
    assert ann.held_frames == 0
    assert ben.take() == []


def test_a_gap_is_said_once_and_filled() -> None:
    ann, ben = ends()
    entries = []
    for number in range(4):
        ann.put(b"%d" % number)
        entries += ann.take()
    assert carry(entries[:1] + entries[2:], ben) == [b"0"]
    asked = one(ben.take())
    assert (asked.flags, asked.acknowledged) == (AGAIN, 1)
    assert carry(entries[3:], ben) == []
    assert ben.take() == []
    ann.arrived(asked, 10)
    again = ann.take()
    assert ann.resent == 3
    assert carry(again, ben) == [b"1", b"2", b"3"]


def test_the_last_entry_lost_is_found_out_by_asking() -> None:
    ann, ben = ends()
    ann.put(b"lost")
    ann.take()
    assert not ann.tend(0.0)
    assert not ann.tend(0.2)
    assert ann.take() == []
    assert not ann.tend(0.3)
    asking = ann.take()
    assert (one(asking).flags, one(asking).frames, one(asking).number) == (ANSWER, [], 1)
    assert carry(asking, ben) == []
    assert carry(ben.take(), ann) == []
    assert carry(ann.take(), ben) == [b"lost"]


def test_a_lost_acknowledgement_is_found_out_by_asking() -> None:
    ann, ben = ends()
    ann.put(b"a frame")
    carry(ann.take(), ben)
    ben.take()  # lost
    ann.tend(0.0)
    ann.tend(0.3)
    assert carry(ann.take(), ben) == []
    carry(ben.take(), ann)
    assert ann.held_frames == 0


def test_it_is_asked_less_and_less_often() -> None:
    ann, _ = ends()
    ann.put(b"a frame")
    ann.take()
    asked = []
    for tick in range(48):
        ann.tend(tick / 10)
        if ann.take():
            asked.append(tick / 10)
    assert len(asked) == 5
    assert asked[-1] - asked[-2] == pytest.approx(ASKED_EVERY_S, abs=0.11)


def test_what_comes_twice_is_dropped_and_acknowledged_again() -> None:
    ann, ben = Link(1, 2, BusConfig()), Link(2, 1, BusConfig())
    ann.put(b"a frame")
    entries = ann.take()
    assert carry(entries, ben) == [b"a frame"]
    assert ben.take() == []
    assert carry(entries, ben) == []
    assert one(ben.take()).acknowledged == 1


def test_what_waits_when_the_link_parts_is_dropped() -> None:
    ann, ben = ends()
    for _ in range(10):
        ann.put(bytes(90))
    ann.take()
    ann.tend(0.0)
    assert ann.tend(5.0)
    assert carry(ann.take(), ben) == [None]
    carry(ben.take(), ann)
    ann.put(b"after")
    assert carry(ann.take(), ben) == [b"after"]


def test_silence_parts_both_ends_once_and_the_next_life_begins_with_nothing() -> None:
    ann, ben = ends()
    ann.put(b"heard")
    carry(ann.take(), ben)
    ben.put(b"on its way")
    late = ben.take()
    ann.put(b"lost")
    ann.take()
    ann.tend(0.0)
    assert not ann.tend(4.9)
    assert ann.tend(5.0)
    assert ann.held_frames == ann.held_bytes == 0
    assert carry(late, ann) == [], "it is of the life before"
    with pytest.raises(Unavailable):
        ann.put(b"nobody answers")
    assert carry(ann.take(), ben) == [None]
    assert ben.held_frames == 0
    assert carry(ben.take(), ann) == []
    ann.put(b"after")
    assert carry(ann.take(), ben) == [b"after"]


def test_one_that_missed_a_life_hears_of_it_by_the_answer_to_what_it_sends() -> None:
    ann, ben = ends()
    ann.put(b"lost")
    ann.take()
    ann.tend(0.0)
    ann.tend(5.0)
    ann.take()  # lost, too
    ben.put(b"of the life before")
    assert carry(ben.take(), ann) == []
    assert carry(ann.take(), ben) == [None]


def test_two_that_give_up_at_once_agree() -> None:
    ann, ben = ends()
    for end in (ann, ben):
        end.put(b"lost")
        end.take()
        end.tend(0.0)
        assert end.tend(5.0)
    from_ann, from_ben = ann.take(), ben.take()
    assert carry(from_ann, ben) == carry(from_ben, ann) == []
    ann.put(b"after")
    assert carry(ann.take(), ben) == [b"after"]


def test_entries_of_a_life_before_are_dropped_whenever_they_come() -> None:
    ann, ben = ends()
    ann.put(b"early")
    early = ann.take()
    ann.tend(0.0)
    ann.tend(5.0)
    assert carry(ann.take(), ben) == [None]
    assert carry(early, ben) == []


def test_what_was_waiting_for_the_window_counts_as_held_until_it_is_acknowledged() -> None:
    ann, ben = ends()
    for _ in range(10):
        ann.put(bytes(84))
    assert ann.held_bytes == 10 * (84 + FRAME_COST)
    carry(ann.take(), ben)
    assert ann.held_frames == 10
    carry(ben.take(), ann)
    assert (ann.held_frames, ann.held_bytes) == (6, 600)


@pytest.mark.bound("frames for another node")
def test_frames_for_another_node_have_a_bound() -> None:
    ann, _ = ends()
    for _ in range(CONFIG.queue_frames_max):
        ann.put(b"")
    with pytest.raises(Overloaded):
        ann.put(b"")


@pytest.mark.bound("bytes of those frames")
def test_bytes_for_another_node_have_a_bound_but_one_frame_always_fits() -> None:
    ann, _ = ends()
    ann.put(bytes(CONFIG.queue_bytes_max * 2))
    with pytest.raises(Overloaded):
        ann.put(b"")
    ann, _ = ends()
    ann.put(bytes(CONFIG.queue_bytes_max - 2 * FRAME_COST - 1))
    with pytest.raises(Overloaded):
        ann.put(b"ab")
    ann.put(b"a")


@pytest.mark.bound("bytes and entries that another node has yet to acknowledge")
def test_the_window_has_a_bound_in_bytes_too() -> None:
    ann = Link(1, 2, BusConfig(entry_bytes_max=100, window_bytes=250, window_entries=100))
    for _ in range(10):
        ann.put(bytes(84))
    assert len(ann.take()) == 3
    ann = Link(1, 2, BusConfig(entry_bytes_max=100, window_bytes=10_000, window_entries=2))
    for _ in range(10):
        ann.put(bytes(84))
    assert len(ann.take()) == 2


def test_what_another_says_of_numbers_that_were_never_given_changes_nothing() -> None:
    ann, _ = ends()
    ann.put(b"a frame")
    ann.take()
    assert ann.arrived(Entry(VERSION, 2, 1, 0, 0, AGAIN | ANSWER, []), 10) == (False, [])
    assert [decode(raw).number for raw in ann.take()] == [1]
