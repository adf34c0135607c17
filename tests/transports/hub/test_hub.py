import pytest

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.lifecycle import NOTED
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.publication import Publication, visible
from tests.transports.hub.watchers import A, Connection, Plain, Setup, Watcher, event


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
