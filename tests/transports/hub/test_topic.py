"""A topic's own books: who watches, by user too, and the newest publications for who comes back."""

from typing import Any

import pytest

from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.held import Holdings
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub import topic as topic_module
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.topic import WEIGHT, Topic, Watchers


class Plain:
    """An encoding that only stands for itself."""


class Watcher:
    encoding: Any = Plain

    def __init__(self, user: str, *, wants_joins: bool = False) -> None:
        self.principal = Principal(user=user)
        self.wants_joins = wants_joins


def watcher(user: str, *, wants_joins: bool = False) -> Any:
    return Watcher(user, wants_joins=wants_joins)


def topic(offset: int = 0, **config: int) -> Topic:
    return Topic("a:b", "e", offset, HubConfig(**config), None, Holdings())


def said(*offsets: int, size: int = 2) -> list[Publication]:
    return [Publication(StoredEvent(one, 0, b"1" * size), "e", first=0) for one in offsets]


@pytest.mark.parametrize("long", [False, True])
def test_watchers_are_found_by_user_however_many_there_are(long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_module, "LONG", 2 if long else 256)
    found = topic()
    ann, ann_too, bob, cat = watchers = [watcher(user) for user in ("ann", "ann", "bob", "cat")]
    for one in watchers:
        found.add(one)
    assert (found.size, found.is_long) == (4, long)
    assert found.subscribers_of("ann") == [ann, ann_too] and found.subscribers_of("dan") == []
    assert found.remove(ann) and not found.remove(ann)
    assert found.subscribers_of("ann") == [ann_too] and (found.size, found.leaves) == (3, 1)
    for one in (ann_too, bob, cat):
        assert found.remove(one)
    assert found.subscribers_of("ann") == found.subscribers() == [] and found.by_user is None and not found.groups


def test_how_many_watch_is_known_without_going_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an entity asks at each join: a room of 50,000 would go through more than a billion of them to fill."""
    found = topic()
    watchers = Watchers(found)
    assert not watchers
    for user in ("ann", "bob"):
        found.add(watcher(user))
    assert [who.user for who in watchers] == ["ann", "bob"]
    assert Principal(user="bob") in watchers and Principal(user="cat") not in watchers
    for _ in watchers:  # those of that moment
        found.remove(found.subscribers()[0])
    assert not watchers
    found.add(watcher("cat"))
    monkeypatch.setattr(Topic, "subscribers", None)
    assert len(watchers) == 1 and watchers


def test_who_wants_joins_is_forgotten_when_leaving() -> None:
    found, listener = topic(), watcher("ann", wants_joins=True)
    found.add(listener)
    found.add(watcher("bob"))
    assert list(found.listeners or ()) == [listener]
    found.remove(listener)
    assert not found.listeners


def test_the_tail_holds_the_newest_within_its_bounds_and_says_what_it_lacks() -> None:
    found = topic(offset=5, tail_events=3)
    for one in said(1, 2, 3, 4, 5):
        found.remember(one)
    assert [one.offset for one in found.since(2) or ()] == [3, 4, 5]
    assert found.since(5) == [] and found.since(1) is None, "event 2 has gone"
    assert found.since(6) is None, "nobody has seen that"
    size = WEIGHT + len(said(1, size=100)[0].json)
    small = topic(offset=2, tail_events=10, tail_bytes=size + 10)
    for one in said(1, 2, size=100):
        small.remember(one)
    assert ([one.offset for one in small.tail], small.tail_bytes) == ([2], size)


def test_older_ones_go_before_the_tail_as_far_as_they_fit() -> None:
    found = topic(offset=5, tail_events=3)
    found.remember(said(5)[0])
    assert found.tail_room == 2
    found.prepend(said(4, 3, 2))
    assert [one.offset for one in found.tail] == [3, 4, 5]
    assert found.tail_bytes == sum(WEIGHT + len(one.json) for one in found.tail)


def test_of_what_is_ephemeral_the_newest_per_key_waits_at_the_end() -> None:
    found = topic()
    for number, key in enumerate(("k", "x", "k", "", "")):
        found.say(b"%d" % number, key)
    assert [one.data for one in (found.ephemerals or {}).values()] == [b"1", b"2", b"3", b"4"]
    taken, _ = found.take()
    assert [one.data for one in taken.ephemerals] == [b"1", b"2", b"3", b"4"] and not found.waits
