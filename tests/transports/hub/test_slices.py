"""What goes to many watchers: how much of it happens before others have a turn, and in which order it arrives."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.hub.hub import LOOK, PENDING_MAX, WORK_MAX, Hub
from greenroom.transports.hub.topic import EPHEMERALS_MAX, LONG
from tests.transports.hub.auction import Auction
from tests.transports.hub.watchers import A, Connection, Plain, Setup, Watcher
from tests.transports.world import Note

MANY = 10 * LONG


class Looks:
    """A stopwatch by which a slice is over each time that it is looked at."""

    def __init__(self) -> None:
        self.shows = 0.0

    def __call__(self) -> float:
        self.shows += 1.0
        return self.shows


class Looked(Watcher):
    """Counts how often somebody asks whose it is."""

    looks = 0
    on_kick: Callable[[], object] | None = None

    def kicked(self, code: int, reason: str) -> None:
        super().kicked(code, reason)
        if self.on_kick is not None:
            self.on_kick()

    @property
    def principal(self) -> Principal:
        Looked.looks += 1
        return self._principal

    @principal.setter
    def principal(self, principal: Principal) -> None:
        self._principal = principal


class Sliced(Setup):
    """Each flush does as little as it can."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(
            Kinds((Note, Auction)),
            HubConfig(leave_s=0),
            Instruments(),
            wake=self._wake,
            kicked_everywhere=self.signed_out.append,
            stopwatch=Looks(),
        )
        self.topic: Any = None

    def many(self, number: int = MANY, **how: Any) -> list[Looked]:
        watchers = [Looked(f"u{at}", **how) for at in range(number)]
        for one in watchers:
            self.topic = self.watch(one)
        self.hub.flush_all()
        return watchers

    def slices(self) -> Iterator[None]:
        """Flushes, until nothing is left."""
        while self.hub.flush():
            yield
        yield


def served(watchers: list[Any], text: bytes) -> int:
    return sum(text in one.got for one in watchers)


def test_a_flush_to_many_goes_on_in_slices_and_others_have_their_turn_between() -> None:
    setup = Sliced()
    watchers = setup.many()
    other = Watcher("other")
    setup.watch(other, "note:b")
    setup.publish(1)
    steps = []
    for number, _ in enumerate(setup.slices()):
        steps.append(served(watchers, b"note:a e [1]"))
        if not number:
            setup.publish(1, entity="note:b")
        elif number == 2:
            assert other.got == [b"note:b e [1]"], "not behind all of the many"
    assert max(later - earlier for earlier, later in zip([0, *steps], steps, strict=False)) <= LOOK
    assert steps[-1] == MANY


def test_what_is_published_meanwhile_comes_after_and_together() -> None:
    setup = Sliced()
    watchers = setup.many()
    setup.publish(1)
    assert setup.hub.flush()
    setup.publish(2, 3)
    setup.hub.publish_ephemeral(A, b"1", "k")
    setup.publish(4)
    setup.hub.publish_ephemeral(A, b"2", "k")
    setup.hub.flush_all()
    assert {tuple(one.got) for one in watchers} == {(b"note:a e [1]", b"note:a e [2, 3, 4]", b"~2")}


def test_who_comes_amid_it_gets_what_comes_after_its_offset_and_who_leaves_nothing_more() -> None:
    setup = Sliced()
    watchers = setup.many()
    setup.publish(1)
    assert setup.hub.flush(), "under way"
    setup.publish(2)
    setup.hub.publish_ephemeral(A, b"1", "")
    late, later = Watcher("late"), Watcher("later")
    setup.watch(late, offset=2)
    setup.publish(3)
    setup.hub.publish_ephemeral(A, b"2", "")
    setup.watch(later, offset=3)
    setup.hub.detach(setup.topic, watchers[-1])
    setup.hub.flush_all()
    assert (late.got, later.got) == ([b"note:a e [3]", b"~2"], [])
    assert watchers[0].got == [b"note:a e [1]", b"note:a e [2]", b"~1", b"note:a e [3]", b"~2"]
    assert watchers[-1].got == []
    setup.publish(4)
    setup.hub.flush_all()
    assert (late.got[-1], later.got) == (b"note:a e [4]", [b"note:a e [4]"])


def test_a_topic_that_is_no_longer_long_still_knows_who_came_amid_what_waits() -> None:
    setup = Sliced()
    watchers = setup.many(LONG + 1)
    setup.publish(1)
    late = Watcher("late")
    setup.watch(late, offset=1)
    for one in watchers[:10]:
        setup.hub.detach(setup.topic, one)
    setup.hub.flush_all()
    assert (late.got, watchers[10].got, watchers[0].got) == ([], [b"note:a e [1]"], [])


def test_closing_a_room_looks_once_at_each_watcher_in_slices_and_nobody_kicked_hears_more() -> None:
    setup = Sliced()
    watchers = setup.many()
    kicked: list[bytes] = []

    def leave(one: Looked) -> None:
        kicked.append(one.got[-1])
        setup.hub.detach(setup.topic, one)

    for one in watchers:
        one.on_kick = partial(leave, one)
    setup.publish(1)
    Looked.looks = 0
    setup.hub.kick(A, Kick(2100, "closed", but=frozenset({"u0", "u3"})))
    setup.publish(2)
    steps = []
    for _ in setup.slices():
        steps.append(len(kicked))
    assert Looked.looks <= 4 * MANY, "not each for each"
    assert len(kicked) == MANY - 2
    assert set(kicked) == {b"note:a e [1]"}, "what was published before comes before"
    assert max(later - earlier for earlier, later in zip([0, *steps], steps, strict=False)) <= LOOK
    assert served(watchers, b"note:a e [2]") == 2
    assert len(setup.hub.watching(A)) == 2


def test_kicking_one_of_many_looks_at_that_one() -> None:
    setup = Sliced()
    watchers = setup.many()
    twice = Looked("u5")
    setup.watch(twice)
    setup.hub.flush_all()
    Looked.looks = 0
    setup.hub.kick(A, Kick(2100, "banned", user="u5"))
    setup.hub.kick(A, Kick(2100, "banned", user="nobody"))
    assert [one.kicks for one in (watchers[5], twice)] == [[(2100, "banned")]] * 2
    assert sum(len(one.kicks) for one in watchers) == 1
    assert Looked.looks <= 4
    for one in (watchers[5], twice):
        setup.hub.detach(setup.topic, one)
    setup.hub.kick(A, Kick(2100, "banned", user="u5"))
    assert len(twice.kicks) == 1
    for one in watchers:
        setup.hub.detach(setup.topic, one)
    assert setup.topic.by_user is None


def test_a_user_is_kicked_at_once_ahead_of_what_is_under_way_and_hears_first_what_was_said_before() -> None:
    setup = Sliced()
    watchers = setup.many()
    setup.publish(1)
    assert setup.hub.flush()
    served_, unserved, bystander = watchers[0], watchers[-1], watchers[-2]
    assert (served_.got, unserved.got) == ([b"note:a e [1]"], [])
    setup.publish(2)
    setup.hub._hand_over(setup.topic)
    setup.publish(3)
    late = Looked("late")
    setup.watch(late, offset=3)
    setup.publish(4)
    setup.hub.publish_ephemeral(A, b"5", "")
    banned = (served_, unserved, late)
    for one in banned:
        one.on_kick = partial(setup.hub.detach, setup.topic, one)
        setup.hub.kick(A, Kick(2100, "banned", user=one.principal.user))
    heard = [list(one.got) for one in banned]
    assert heard == [
        [b"note:a e [1]", b"note:a e [2]", b"note:a e [3, 4]", b"~5"],
        [b"note:a e [1]", b"note:a e [2]", b"note:a e [3, 4]", b"~5"],
        [b"note:a e [4]", b"~5"],
    ]
    assert [one.kicks for one in banned] == [[(2100, "banned")]] * 3
    assert bystander.got == [], "the others have not been served meanwhile"
    setup.publish(6)
    setup.hub.flush_all()
    assert [one.got for one in banned] == heard
    assert {tuple(one.got) for one in watchers[1:-1]} == {
        (b"note:a e [1]", b"note:a e [2]", b"note:a e [3, 4]", b"~5", b"note:a e [6]")
    }


def test_a_kick_ahead_of_a_journal_that_began_anew_tells_nothing_of_the_new_one() -> None:
    setup = Sliced()
    watchers = setup.many()
    setup.publish(1)
    setup.hub.began(A, "f", 0)
    setup.publish(1, epoch="f")
    setup.hub.kick(A, Kick(2100, "banned", user="u7"))
    assert (watchers[7].got, watchers[7].kicks, watchers[7].restarts) == ([b"note:a e [1]"], [(2100, "banned")], 0)


def test_a_kick_of_somebody_with_very_many_connections_is_sliced_and_still_goes_first() -> None:
    setup = Sliced()
    watchers = setup.many()
    mine = [Looked("ann") for _ in range(2 * LONG)]
    for one in mine:
        one.on_kick = partial(setup.hub.detach, setup.topic, one)
        setup.watch(one)
    setup.publish(1)
    setup.hub.kick(A, Kick(2100, "banned", user="ann"))
    setup.publish(2)
    steps = []
    for _ in setup.slices():
        steps.append(sum(len(one.kicks) for one in mine))
        assert steps[-1] == len(mine) or not served(watchers, b"note:a e [1]")
    assert max(later - earlier for earlier, later in zip([0, *steps], steps, strict=False)) <= LOOK
    assert {tuple(one.got) for one in mine} == {(b"note:a e [1]",)}
    assert {tuple(one.got) for one in watchers} == {(b"note:a e [1, 2]",)}


def test_who_is_kicked_twice_hears_once_what_was_said_before_and_nothing_of_what_came_after() -> None:
    setup = Sliced()
    watchers = setup.many()
    mine = [Looked("ann") for _ in range(2 * LONG)]
    for one in mine:
        one.on_kick = partial(setup.hub.detach, setup.topic, one)
        setup.watch(one)
    setup.publish(1)
    for number in (2, 3):
        setup.hub.kick(A, Kick(2100, "banned", user="ann"))
        setup.publish(number)
    setup.hub.flush_all()
    assert {tuple(one.got) for one in mine} == {(b"note:a e [1]",)}
    heard = [got.rpartition(b" e ")[2] for one in watchers for got in one.got]
    assert {number for numbers in heard for number in json.loads(numbers)} == {1, 2, 3}


def test_a_sign_out_does_not_hold_up_everything_for_a_long_topic() -> None:
    setup = Sliced()
    watchers = setup.many()
    setup.publish(1)
    setup.hub.kick(A, Kick(4501, "signed out", user="u9", everywhere=True))
    assert (watchers[9].got, watchers[9].kicks) == ([b"note:a e [1]"], [(4501, "signed out")])
    assert served(watchers, b"note:a e [1]") == 1


def test_who_comes_back_amid_a_kick_was_let_in_after_it() -> None:
    setup = Sliced()
    setup.many()
    setup.publish(1)
    setup.hub.kick(A, Kick(2100, "closed"))
    back = Watcher("u0")
    setup.watch(back, offset=1)
    setup.hub.flush_all()
    assert back.kicks == []


def test_a_sign_out_silences_all_connections_and_looks_at_no_other_topic() -> None:
    setup = Sliced()
    elsewhere = [Looked("bob") for _ in range(100)]
    for number, one in enumerate(elsewhere):
        setup.watch(one, f"note:{number}")
    mine = [Connection() for _ in range(1000)]
    for connection in mine:
        setup.hub.connections.add("ann", connection)
    Looked.looks = 0
    setup.hub.kick("note:nobody", Kick(4501, "signed out", user="ann", everywhere=True))
    assert {one.told[0] for one in mine} == {"silent"}, "none hears of what comes now"
    steps = [sum(len(one.told) > 1 for one in mine)]
    assert steps[0] <= LOOK, "to say so to each takes longer"
    for _ in setup.slices():
        steps.append(sum(one.told[1:] == ["4501 signed out", "left"] for one in mine))
    assert steps[-1] == 1000
    assert max(later - earlier for earlier, later in zip([0, *steps], steps, strict=False)) <= LOOK
    assert Looked.looks == 0


def test_a_journal_that_began_anew_is_told_in_slices_behind_what_came_before() -> None:
    setup = Sliced()
    watchers = setup.many()
    setup.publish(1)
    setup.hub.began(A, "f", 0)
    setup.publish(1, epoch="f")
    came = Watcher("came")
    setup.watch(came, epoch="f", offset=1)
    restarts = []
    for _ in setup.slices():
        restarts.append(sum(one.restarts for one in watchers))
    assert max(later - earlier for earlier, later in zip([0, *restarts], restarts, strict=False)) <= LOOK
    assert restarts[-1] == MANY
    assert watchers[0].got == [b"note:a e [1]", b"note:a f [1]"]
    assert (came.got, came.restarts) == ([], 0)


@pytest.mark.parametrize("number", [3, MANY])
def test_ephemeral_publications_wait_for_the_flush_the_newest_per_key_and_those_without_all(number: int) -> None:
    setup = Sliced()
    watchers = setup.many(number)
    setup.hub.publish_ephemeral(A, b"1", "k")
    setup.hub.publish_ephemeral(A, b"2", "")
    setup.publish(1)
    setup.hub.publish_ephemeral(A, b"3", "k")
    setup.hub.publish_ephemeral(A, b"4", "")
    assert watchers[0].got == []
    setup.hub.flush_all()
    assert {tuple(one.got) for one in watchers} == {(b"~2", b"note:a e [1]", b"~3", b"~4")}


@pytest.mark.bound("ephemeral publications of one topic that wait for a flush")
def test_ephemeral_publications_of_one_flush_are_bounded() -> None:
    setup = Setup()
    ann = Watcher()
    setup.watch(ann)
    for number in range(EPHEMERALS_MAX + 5):
        setup.hub.publish_ephemeral(A, b"%d" % number, "")
    setup.hub.flush()
    assert (len(ann.got), ann.got[0]) == (EPHEMERALS_MAX, b"~5")


def test_many_joins_are_encoded_once_and_reach_listeners_alone() -> None:
    setup = Sliced()
    ann, bob = Watcher("ann", wants_joins=True), Watcher("bob")
    setup.watch(ann)
    setup.watch(bob)
    setup.many(50)
    setup.hub.flush_all()
    assert (len(ann.got), bob.got) == (52, [])


@pytest.mark.bound("kicks and fan-outs to one long topic that wait")
def test_kicks_that_pile_up_are_bounded() -> None:
    setup = Sliced()
    watchers = setup.many()
    everybody = [f"u{number}" for number in range(MANY)]
    for number in range(1, 3 * WORK_MAX):
        setup.publish(number)
        setup.hub.kick(A, Kick(2100, "out", but=frozenset(everybody[:number] + everybody[number + 1 :])))
        assert len(setup.topic.work or ()) <= WORK_MAX
    setup.hub.flush_all()
    assert [len(one.kicks) for one in watchers[1 : 3 * WORK_MAX]] == [1] * (3 * WORK_MAX - 1)
    assert watchers[0].last_offset == 3 * WORK_MAX - 1


def test_a_short_topic_costs_no_more_looks_at_the_clock_than_it_did() -> None:
    setup = Sliced()
    setup.watch(Watcher())
    setup.publish(1)
    before = setup.hub._stopwatch()
    setup.hub.flush()
    assert setup.hub._stopwatch() - before - 1 <= 3
    assert Plain.calls > 0


@pytest.mark.bound("publications of one topic that wait for a flush")
@pytest.mark.parametrize("many", [True, False])
def test_publications_that_wait_are_bounded_and_none_is_lost(many: bool) -> None:
    setup = Sliced()
    watchers = setup.many() if many else [Watcher()]
    topic = setup.topic if many else setup.watch(watchers[0])
    setup.publish(1)
    setup.hub.flush()  # of many, the first have got it
    newest = 3 * PENDING_MAX
    for number in range(2, newest + 1):
        setup.publish(number)
        assert len(topic.pending) <= PENDING_MAX
    setup.hub.flush_all()
    assert {one.last_offset for one in watchers} == {newest}


@pytest.mark.bound("sign-outs whose connections have yet to leave what they watch")
def test_sign_outs_that_pile_up_are_bounded() -> None:
    setup = Sliced()
    mine = {number: [Connection() for _ in range(5)] for number in range(3 * WORK_MAX)}
    for number, connections in mine.items():
        for connection in connections:
            setup.hub.connections.add(f"u{number}", connection)
        setup.hub.kick("note:nobody", Kick(4501, "signed out", user=f"u{number}", everywhere=True))
        assert len(setup.hub._endings) <= WORK_MAX
    setup.hub.flush_all()
    assert all(
        one.told == ["silent", "4501 signed out", "left"] for connections in mine.values() for one in connections
    )
