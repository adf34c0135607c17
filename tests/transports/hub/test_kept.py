"""What the hub keeps of topics: their tails, and those that nobody watches any more."""

import pytest

from greenroom.config.limits import HubConfig
from greenroom.transports.hub import hub as hub_module
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.topic import WEIGHT
from tests.transports.hub.watchers import A, Setup, Watcher, event


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
