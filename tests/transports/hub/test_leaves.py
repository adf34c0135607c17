"""Joins and leaves: who is shown to come and to go, and who comes back in time to be shown neither."""

import json

import pytest

from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from tests.transports.hub.watchers import A, Setup, Silent, Watcher


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
