import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub import hub as hub_module
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.publication import Publication, visible
from greenroom.transports.hub.topic import WEIGHT
from tests.transports.hub.auction import Auction
from tests.transports.world import Note

A = "note:a"


class Plain:
    """Shows what it was asked to encode."""

    calls = 0

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        Plain.calls += 1
        return f"{channel} {epoch} {[one.offset for one in batch]}".encode()

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b"~" + data

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return kind.encode() + info


class Silent(Plain):
    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""


class Watcher:
    granted = False

    def __init__(self, user: str = "ann", *, wants_joins: bool = False, encoding: Any = Plain) -> None:
        self.principal = Principal(user=user, client=f"c-{user}", info=user.encode())
        self.wants_joins = wants_joins
        self.encoding = encoding
        self.got: list[bytes] = []
        self.last_offset = 0
        self.ring_keys: list[str] = []
        self.kicks: list[tuple[int, str]] = []
        self.restarts = 0
        self.on_deliver: Any = None

    def deliver(self, batch: bytes, last_offset: int) -> None:
        self.got.append(batch)
        self.last_offset = last_offset
        if self.on_deliver is not None:
            self.on_deliver()

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        self.got.append(piece)
        self.ring_keys.append(key)

    def kicked(self, code: int, reason: str) -> None:
        self.kicks.append((code, reason))

    def epoch_changed(self) -> None:
        self.restarts += 1


class Connection:
    """Of a user, with what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        self.told.append("silent")
        return partial(self._end, code, reason)

    def _end(self, code: int, reason: str) -> None:
        self.told.append(f"{code} {reason}")
        self.leave()

    def leave(self) -> None:
        self.told.append("left")

    def unwatch(self, code: int, reason: str) -> None:
        self.told.append(f"{code} {reason}, what it watches")


class Setup:
    def __init__(self, config: HubConfig | None = None) -> None:
        self.instruments = Instruments()
        self.wakes = 0
        self.signed_out: list[str] = []
        self.hub = Hub(
            Kinds((Note, Auction)),
            config or HubConfig(leave_s=0),
            self.instruments,
            wake=self._wake,
            kicked_everywhere=self.signed_out.append,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def watch(self, watcher: Watcher, entity: str = A, *, epoch: str = "e", offset: int = 0) -> Any:
        topic = self.hub.topic(entity, epoch, offset)
        self.hub.attach(topic, watcher)
        return topic

    def publish(self, *offsets: int, entity: str = A, epoch: str = "e") -> None:
        for offset in offsets:
            self.hub.publish(entity, epoch, event(offset))


def event(offset: int, payload: bytes = b'{"n":1}') -> StoredEvent:
    return StoredEvent(offset, 7, payload)


def test_a_flush_encodes_once_and_hands_everybody_the_same_bytes() -> None:
    setup = Setup()
    ann, bob = Watcher("ann"), Watcher("bob")
    setup.watch(ann)
    setup.watch(bob)
    Plain.calls = 0
    setup.publish(1, 2, 3)
    assert (setup.wakes, ann.got) == (1, []), "nothing before the flush, which is asked for once"
    setup.hub.flush()
    assert ann.got == [b"note:a e [1, 2, 3]"]
    assert ann.got[0] is bob.got[0]
    assert (Plain.calls, ann.last_offset, setup.instruments.deliveries) == (1, 3, 6)
    setup.hub.flush()
    assert len(ann.got) == 1


def test_nobody_watching_costs_nothing_and_what_nobody_watches_is_not_remembered() -> None:
    setup = Setup()
    setup.publish(1)
    setup.hub.publish_ephemeral(A, b"{}", "")
    setup.hub.kick(A, Kick(4000, "go"))
    assert (setup.wakes, len(setup.hub.watching(A))) == (0, 0)


def test_who_attaches_gets_what_comes_after_its_offset_and_those_before_get_theirs_first() -> None:
    setup = Setup()
    ann, bob = Watcher("ann"), Watcher("bob")
    topic = setup.watch(ann)
    setup.publish(1, 2)
    assert topic.offset == 2
    setup.watch(bob, offset=2)
    setup.publish(3)
    setup.hub.flush()
    assert ann.got == [b"note:a e [1, 2]", b"note:a e [3]"]
    assert bob.got == [b"note:a e [3]"]


def test_an_ephemeral_publication_comes_behind_what_was_said_before_it_in_a_lane_of_its_own() -> None:
    setup = Setup()
    ann = Watcher()
    setup.watch(ann)
    setup.publish(1)
    setup.hub.publish_ephemeral(A, b'{\n"a":1}', "typing")
    setup.hub.flush()
    assert ann.got == [b"note:a e [1]", b'~{"a":1}']
    assert len(ann.ring_keys) == 1


def test_ephemeral_keys_of_different_entities_never_meet() -> None:
    """`note:a b` + `c` is not `note:a` + `b c`: for a slow client one would take the other's place."""
    setup = Setup()
    ann = Watcher(wants_joins=True)
    setup.watch(ann, entity="note:a b")
    setup.watch(ann, entity="note:a")
    for entity, key in (("note:a b", "c"), ("note:a", "b c"), ("note:a", "join c-bob")):
        setup.hub.publish_ephemeral(entity, b"1", key)
    setup.watch(Watcher("bob"), entity="note:a")
    setup.hub.flush()
    assert ann.got[-1] == b"joinbob"
    assert len(ann.ring_keys) == len(set(ann.ring_keys)) == 6


def test_a_subscriber_may_leave_while_it_is_being_served() -> None:
    setup = Setup()
    watchers = [Watcher(str(at)) for at in range(3)]
    for one in watchers:
        topic = setup.watch(one)

    def all_leave() -> None:
        for one in watchers:
            setup.hub.detach(topic, one)

    watchers[0].on_deliver = all_leave
    setup.publish(1)
    setup.hub.flush()
    assert not setup.hub.watching(A)
    setup.publish(2)
    setup.hub.flush()
    assert all(len(one.got) <= 1 for one in watchers)
    assert setup.instruments.subscriptions == 0


@pytest.mark.parametrize(
    ("epoch", "offset"),
    [("e", 3), ("other", 1), ("e", 1)],
)
def test_a_gap_or_another_epoch_is_told_to_everybody(epoch: str, offset: int) -> None:
    setup = Setup()
    ann = Watcher()
    topic = setup.watch(ann)
    setup.publish(1)
    setup.publish(offset, epoch=epoch)
    assert ann.got == [b"note:a e [1]"], "what was in order came before"
    assert ann.restarts == 1
    assert (topic.epoch, topic.offset) == (epoch, offset)
    assert topic.since(offset - 1) is not None
    if offset > 1:
        assert topic.since(0) is None, "what is on the other side of the gap is not known"


def test_the_entity_itself_shows_a_gap_when_somebody_comes() -> None:
    setup = Setup()
    ann, bob = Watcher("ann"), Watcher("bob")
    setup.watch(ann)
    setup.watch(bob, offset=5)
    assert (ann.restarts, bob.restarts) == (1, 0)


def test_an_entity_built_from_more_than_its_watchers_were_shown_tells_them_at_once() -> None:
    """Its last life ended before it heard that this had landed."""
    setup = Setup()
    ann = Watcher()
    topic = setup.watch(ann)
    setup.publish(1, 2)
    setup.hub.began(A, "e", 3)
    assert (ann.restarts, topic.offset) == (1, 3)


def test_an_entity_built_from_another_journal_tells_its_watchers_at_once() -> None:
    setup = Setup()
    ann = Watcher()
    topic = setup.watch(ann)
    setup.publish(1, 2)
    setup.hub.began(A, "e", 1)
    assert ann.restarts == 0, "the same journal: what it has not let out yet comes"
    setup.hub.began(A, "e", 2)
    assert ann.restarts == 0
    assert setup.hub.watched() == [(A, "e")]
    setup.hub.began(A, "e.2", 1)
    assert (ann.restarts, topic.epoch, topic.offset) == (1, "e.2", 1)
    assert topic.since(0) is None, "the tail is of the epoch before"
    setup.hub.began("note:b", "e.2", 1)
    assert setup.hub.watched() == [(A, "e.2")]


def test_joins_and_leaves_reach_those_who_want_them_the_own_join_too() -> None:
    setup = Setup()
    ann, bob, eve = Watcher("ann", wants_joins=True), Watcher("bob"), Watcher("eve", encoding=Silent, wants_joins=True)
    topic = setup.watch(ann)
    setup.watch(bob)
    setup.watch(eve)
    setup.hub.detach(topic, bob)
    setup.hub.detach(topic, bob)
    setup.hub.flush()
    setup.hub.detach(topic, ann)
    setup.hub.flush()
    assert ann.got == [b"joinann", b"joinbob", b"joineve", b"leavebob"]
    assert (bob.got, eve.got) == ([], [])
    assert setup.instruments.subscriptions == 1


def connected(user: str, number: int, *, wants_joins: bool = False) -> Watcher:
    """A connection of theirs, of which each has another id."""
    watcher = Watcher(user, wants_joins=wants_joins)
    info = b'{"user":"%b","client":"%d"}' % (user.encode(), number)
    watcher.principal = Principal(user=user, client=str(number), info=info)
    return watcher


def comings(watcher: Watcher) -> list[str]:
    """Joins and leaves that it was shown, with the connections' ids."""
    return [
        f"{kind} {json.loads('{' + info)['client']}"
        for kind, _, info in (one.decode().partition("{") for one in watcher.got)
    ]


def test_who_comes_back_in_time_is_shown_neither_to_leave_nor_to_come() -> None:
    setup = Setup(HubConfig(leave_s=2.5))
    ann = connected("ann", 1, wants_joins=True)
    topic = setup.watch(ann)
    bob, eve, second = connected("bob", 2), connected("eve", 3), connected("eve", 4)
    for one in (bob, eve):
        setup.watch(one)
    setup.hub.flush()
    ann.got.clear()
    setup.hub.detach(topic, bob)
    setup.hub.detach(topic, eve)
    setup.hub.show_leaves(10.0)
    setup.hub.show_leaves(12.4)
    setup.watch(second)  # over another connection, on this node or another
    setup.hub.flush()
    assert ann.got == []
    setup.hub.show_leaves(12.5)
    setup.hub.show_leaves(60.0)
    setup.hub.flush()
    assert comings(ann) == ["leave 2"], "who has not come back has left, once"
    ann.got.clear()
    setup.hub.show_presence(A, "leave", "7", b'{"user":"zoe","client":"7"}')
    setup.hub.show_presence(A, "join", "8", b'{"user":"zoe","client":"8"}')
    setup.hub.show_presence(A, "join", "9", b'{"user":"zoe","client":"9"}')
    setup.hub.show_leaves(90.0)
    setup.hub.flush()
    assert comings(ann) == ["join 9"], "each leave stands for one"


def test_whoever_began_to_listen_meanwhile_is_told_who_comes_back() -> None:
    setup = Setup(HubConfig(leave_s=2.5))
    ann, bob = connected("ann", 1, wants_joins=True), connected("bob", 2)
    topic = setup.watch(ann)
    setup.watch(bob)
    setup.hub.flush()
    setup.hub.detach(topic, bob)
    late = connected("eve", 3, wants_joins=True)
    setup.watch(late)
    setup.hub.flush()
    ann.got.clear()
    late.got.clear()
    again = connected("bob", 4, wants_joins=True)
    setup.watch(again)
    setup.hub.flush()
    assert (comings(ann), comings(late), comings(again)) == ([], ["join 4"], [])
    setup.hub.show_presence(A, "leave", "5", b'{"user":"zoe","client":"5"}')
    last = connected("max", 6, wants_joins=True)
    setup.watch(last)
    setup.hub.flush()
    last.got.clear()
    setup.hub.show_presence(A, "join", "7", b'{"user":"zoe","client":"7"}')
    setup.hub.flush()
    assert comings(last) == ["join 7"], "on another node too"
    assert "join 7" not in comings(ann)


def test_nobody_is_not_known_again() -> None:
    """Of those without a name each may be another."""
    setup = Setup(HubConfig(leave_s=2.5))
    ann = connected("ann", 1, wants_joins=True)
    topic = setup.watch(ann)
    nobody = connected("", 2)
    setup.watch(nobody)
    setup.hub.flush()
    ann.got.clear()
    setup.hub.detach(topic, nobody)
    setup.watch(connected("", 3))
    setup.hub.flush()
    assert comings(ann) == ["leave 2", "join 3"]


def test_who_comes_back_when_nobody_listens_has_not_left_either() -> None:
    setup = Setup(HubConfig(leave_s=2.5))
    ann, bob = connected("ann", 1, wants_joins=True), connected("bob", 2)
    topic = setup.watch(ann)
    setup.watch(bob)
    setup.hub.detach(topic, bob)
    setup.hub.detach(topic, ann)
    setup.watch(connected("bob", 3))
    again = connected("ann", 4, wants_joins=True)
    setup.watch(again)
    setup.hub.show_leaves(1.0)
    setup.hub.show_leaves(9.0)
    setup.hub.flush()
    assert comings(again) == ["join 4"], "its own"


@pytest.mark.bound("leaves of one topic that are not shown yet")
def test_of_too_many_leaves_the_others_are_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.transports.hub.topic.LEAVING_MAX", 2)
    setup = Setup(HubConfig(leave_s=2.5))
    ann = connected("ann", 1, wants_joins=True)
    topic = setup.watch(ann)
    others = [connected(f"u{number}", number) for number in range(2, 6)]
    for one in others:
        setup.watch(one)
    setup.hub.flush()
    ann.got.clear()
    for one in others:
        setup.hub.detach(topic, one)
    setup.hub.flush()
    assert comings(ann) == ["leave 4", "leave 5"]


def test_a_kick_may_name_a_user_and_reach_everywhere() -> None:
    setup = Setup()
    ann, bob, elsewhere = Watcher("ann"), Watcher("bob"), Watcher("ann")
    setup.watch(ann)
    setup.watch(bob)
    setup.watch(elsewhere, "note:b")
    connection = Connection()
    setup.hub.connections.add("ann", connection)
    setup.publish(1)
    setup.hub.kick(A, Kick(2100, "out", user="ann"))
    assert (ann.got, ann.kicks, bob.kicks, elsewhere.kicks) == ([b"note:a e [1]"], [(2100, "out")], [], [])
    setup.hub.kick("note:nobody", Kick(4501, "signed out", user="ann", everywhere=True))
    assert (elsewhere.kicks, setup.signed_out) == ([], ["ann"])
    assert connection.told == ["silent", "4501 signed out", "left"]
    setup.hub.kick("note:nobody", Kick(2100, "not here", user="ann", everywhere=True))
    assert connection.told[3:] == ["2100 not here, what it watches"]
    assert (len(ann.kicks), bob.kicks) == (1, [])
    setup.hub.kick(A, Kick(4000, "all"))
    assert bob.kicks == [(4000, "all")]


def test_of_what_is_erased_nothing_is_kept_and_whoever_watches_is_told() -> None:
    setup = Setup()
    ann, bob = Watcher("ann"), Watcher("bob")
    topic = setup.watch(ann)
    setup.publish(1, 2)
    setup.hub.forget(A)
    assert ann.kicks == [(2410, "forgotten")] and not topic.tail
    setup.hub.detach(topic, ann)
    setup.hub.forget(A)
    assert not setup.hub._topics
    setup.hub.forget("note:never")
    assert bob.kicks == []


@pytest.mark.bound("a topic's tail")
def test_the_tail_is_bounded_in_number_and_bytes() -> None:
    size = WEIGHT + len(Publication(event(2), "e").json)
    for config in (HubConfig(tail_events=3), HubConfig(tail_bytes=3 * size)):
        setup = Setup(config)
        topic = setup.watch(Watcher())
        setup.publish(*range(1, 10))
        assert [one.offset for one in topic.tail] == [7, 8, 9]
        found = topic.since(6)
        assert found is not None and [one.offset for one in found] == [7, 8, 9]
        assert topic.since(5) is None
        assert topic.since(9) == []
        assert topic.since(10) is None


def test_who_has_no_tail_shares_one_that_takes_nothing_in() -> None:
    setup = Setup()
    silent, other = setup.watch(Watcher(), "note:b"), setup.watch(Watcher())
    assert silent.tail is other.tail, "most topics are idle, and an empty deque takes 760 bytes"
    setup.publish(1)
    other.restart("later", 0)
    other.prepend([])
    assert (len(silent.tail), silent.since(0)) == (0, [])


def test_older_publications_go_before_the_tail_as_far_as_they_fit() -> None:
    setup = Setup(HubConfig(tail_events=4))
    topic = setup.watch(Watcher(), offset=5)
    setup.publish(6, 7)
    topic.prepend([Publication(event(offset), "e") for offset in (5, 4, 3, 2)])
    assert [one.offset for one in topic.tail] == [4, 5, 6, 7]


def test_a_topic_is_forgotten_when_nobody_has_watched_it_for_a_while() -> None:
    setup = Setup(HubConfig(linger_s=60))
    ann = Watcher()
    topic = setup.watch(ann)
    setup.hub.sweep(100.0)
    setup.hub.detach(topic, ann)
    setup.hub.sweep(200.0)
    setup.hub.sweep(259.0)
    assert setup.hub.topic(A, "e", 0) is topic
    topic.held += 1
    setup.hub.sweep(261.0)
    assert setup.hub.topic(A, "e", 0) is topic, "a resume is under way"
    topic.held -= 1
    setup.hub.sweep(262.0)
    assert setup.hub.topic(A, "e", 0) is not topic
    setup.watch(ann)
    setup.hub.sweep(400.0)
    setup.hub.sweep(500.0)
    assert list(setup.hub.watching(A)) == [ann.principal]


@pytest.mark.bound("topics that nobody watches any more, kept for who comes back")
def test_topics_that_nobody_watches_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LINGERING_MAX", 3)
    setup = Setup(HubConfig(linger_s=60))
    kept = setup.watch(Watcher(), "note:kept")
    for number in range(10):
        watcher = Watcher()
        topic = setup.watch(watcher, f"note:{number}")
        topic.held += number == 0  # a resume is under way
        setup.hub.detach(topic, watcher)
    assert list(setup.hub._topics) == ["note:kept", "note:0", "note:8", "note:9"]
    back = Watcher()
    assert setup.watch(back, "note:8") is not kept
    assert list(setup.hub._lingering) == [setup.hub._topics["note:0"], setup.hub._topics["note:9"]]


@pytest.mark.bound("their tails")
def test_topics_that_nobody_watches_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LINGERING_BYTES_MAX", 2500)
    setup = Setup(HubConfig(linger_s=60))
    for number in range(4):
        watcher = Watcher()
        topic = setup.watch(watcher, f"note:{number}")
        setup.hub.detach(topic, watcher)
        setup.hub.publish(f"note:{number}", "e", event(1, b'"%b"' % (b"x" * 1000)))
    setup.hub.sweep(1.0)
    assert list(setup.hub._topics) == ["note:2", "note:3"]


BID = b'{"type":"auction.was_bid","amount":7,"bidder":"bob"}'
RESERVED = b'{"type":"auction.reserved","price":90}'


def test_hidden_events_are_pushed_to_nobody_and_leave_no_gap() -> None:
    setup = Setup()
    ann = Watcher()
    topic = setup.watch(ann, "auction:a", offset=4)
    for offset, payload in enumerate((BID, RESERVED, BID, NOTED), start=5):
        setup.hub.publish("auction:a", "e", StoredEvent(offset, 7, payload, b'{"user":"bob"}'))
    setup.hub.flush()
    assert (ann.got, ann.last_offset, ann.restarts) == ([b"auction:a e [5, 7]"], 7, 0)
    assert (topic.offset, [one.offset for one in topic.since(4)]) == (8, [5, 6, 7, 8])
    assert [one.offset for one in visible(topic.since(5))] == [7]
    assert b"bob" not in b"".join(one.json for one in topic.tail)
    assert b"90" not in b"".join(one.json for one in topic.tail)


def test_a_batch_of_hidden_events_alone_costs_no_flush() -> None:
    setup = Setup()
    ann = Watcher()
    setup.watch(ann)
    setup.hub.publish(A, "e", event(1, NOTED))
    setup.hub.flush()
    assert (ann.got, setup.wakes) == ([], 0)


def test_the_first_that_is_shown_carries_the_epoch() -> None:
    setup = Setup()
    topic = setup.watch(Watcher(), "auction:a")
    for offset, payload in enumerate((RESERVED, NOTED, BID, BID), start=1):
        setup.hub.publish("auction:a", "e", event(offset, payload))
    assert [b"epoch" in one.json for one in topic.since(0)] == [False, False, True, False]


def test_a_mistake_with_one_topic_is_no_other_topics_and_its_watchers_are_told() -> None:
    class Broken(Plain):
        @staticmethod
        def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
            raise ZeroDivisionError("boom")

    setup = Setup()
    broken, beside, other = Watcher(encoding=Broken), Watcher("bob"), Watcher("cid")
    setup.watch(broken)
    setup.watch(beside)
    setup.watch(other, "note:b")
    for offset in (1, 2):
        setup.hub.publish(A, "e", event(offset))
        setup.hub.publish("note:b", "e", event(offset))
        setup.hub.flush()
    assert other.got == [b"note:b e [1]", b"note:b e [2]"]
    assert broken.restarts == beside.restarts == 2
    topic = setup.hub.topic(A, "e", 2)
    assert (topic.pending, topic.dirty) == ([], False)
    setup.hub.kick(A, Kick(2000, "out", user="bob"))
    assert beside.kicks == [(2000, "out")]


def test_an_event_that_cannot_be_shown_is_a_gap_which_the_next_one_tells_of() -> None:
    setup = Setup()
    watcher = Watcher()
    topic = setup.watch(watcher)

    def show(stored: StoredEvent) -> StoredEvent:
        if stored.offset == 1:
            raise ZeroDivisionError("boom")
        return stored

    topic.show = show
    with pytest.raises(ZeroDivisionError):
        setup.hub.publish(A, "e", event(1))
    setup.hub.publish(A, "e", event(2))
    assert watcher.restarts == 1
