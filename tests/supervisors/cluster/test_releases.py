"""Which nodes give way to those of a newer release, and what a node hears of what it lacks."""

from collections.abc import Collection

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom import Actor, Event
from greenroom.actors.model.kinds import Kind, OtherReleases
from greenroom.actors.schema.knowledge import digest_of, knowledge_of, to_json
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.cluster.releases import Releases
from tests.actors.schema.making import struct_class
from tests.supervisors.cluster.memory_cluster import LEASE_S, cluster


def knowledge(fields: Collection[str], *kinds: str) -> str:
    """Of a release with these kinds, whose one event has these fields."""

    def made(name: str) -> Kind:
        class Shop(Actor[msgspec.Struct]):
            kind = name

            def apply(self, event: Event) -> None:
                pass

        Shop.events = (struct_class(Event, "Sold", [(field, int, 0) for field in fields], tag=f"{name}.sold"),)
        return Kind(Shop)

    return to_json(knowledge_of([made(name) for name in kinds]))


OLDER, NEWER, OTHER = knowledge("a", "shop"), knowledge("ab", "shop", "bank"), knowledge("c", "shop")
KNOWN = {digest_of(text): text for text in (OLDER, NEWER, OTHER)}


def member(incarnation: int, text: str, *, capacity: int = 100) -> Member:
    digest = digest_of(text) if text else ""
    return Member(incarnation, "", "1", "", "", "up", capacity, False, 1.0, 1.0, 0, digest)


def giving_way(*up: Member) -> set[int]:
    """As all of them have to see it."""
    answers = set()
    for text in (OLDER, NEWER, OTHER):
        releases = Releases(digest_of(text), text)
        releases.hear(dict(KNOWN))
        answers.add(frozenset(releases.give_way(up)))
    (answer,) = answers
    return set(answer)


def test_those_of_one_release_stay_where_they_are() -> None:
    assert giving_way(member(1, OLDER), member(2, OLDER)) == set()
    assert giving_way() == set()


def test_the_older_gives_way_once_the_newer_has_half_of_the_capacity() -> None:
    one, two, three = member(1, OLDER), member(2, OLDER), member(3, NEWER)
    assert giving_way(one, two, three) == set(), "a single one is not to bear what three did"
    assert giving_way(one, three) == {1}
    assert giving_way(one, two, three, member(4, NEWER)) == {1, 2}
    assert giving_way(one, two, member(3, NEWER, capacity=200)) == {1, 2}


def test_where_each_lacks_something_of_the_other_nobody_gives_way() -> None:
    assert giving_way(member(1, OLDER), member(2, OTHER)) == set()
    assert giving_way(member(1, OLDER), member(2, NEWER), member(3, OTHER), member(4, NEWER)) == {1}


def test_one_of_which_nothing_is_known_neither_gives_way_nor_has_others_do_so() -> None:
    assert giving_way(member(1, ""), member(2, NEWER)) == set()


def test_what_this_release_lacks_is_told_once() -> None:
    others = OtherReleases()
    releases = Releases(digest_of(OLDER), OLDER, others)
    with capture_logs() as logs:
        releases.hear({digest_of(OLDER): None})
        assert logs == [] and not others.know("bank")
        releases.hear(dict(KNOWN))
        releases.hear(dict.fromkeys(KNOWN))
    assert [(one["event"], one["lacking"]) for one in logs] == [
        ("release_lacks", ["event shop.sold: b", "event shop.sold: c", "kind bank"])
    ]
    assert others.know("bank") and others.store_more_of("shop")
    assert not others.know("shop"), "it has that"
    assert set(releases.known) == set(KNOWN)


def test_a_release_of_long_ago_is_forgotten() -> None:
    others = OtherReleases()
    releases = Releases(digest_of(OLDER), OLDER, others)
    releases.hear(dict(KNOWN))
    releases.hear({digest_of(OLDER): None})
    assert not others.know("bank") and not others.store_more_of("shop")
    assert set(releases.known) == {digest_of(OLDER)}


def test_what_can_t_be_read_of_a_release_is_logged_and_changes_nothing() -> None:
    others = OtherReleases()
    releases = Releases(digest_of(OLDER), OLDER, others)
    with capture_logs() as logs:
        releases.hear({digest_of(OLDER): None, "x": '{"schema":{"kinds":7}}'})
    assert [one["event"] for one in logs] == ["release_unreadable"]
    assert "x" in releases.known, "and is not asked for again"
    assert releases.give_way([member(1, OLDER), Member(2, "", "", "", "", "up", 100, False, 1, 1, 0, "x")]) == set()


@pytest.mark.parametrize("newer", [1, 2])
async def test_shards_go_to_the_newer_release_and_back(autojump_clock: MockClock, newer: int) -> None:
    """`newer`: how many nodes of three. What the one that leaves had is shared by all who are left, as ever."""
    async with cluster() as run:
        nodes = [await run.start(run.node(knowledge=NEWER if number < newer else OLDER)) for number in range(3)]
        await trio.sleep(LEASE_S)
        desired = set(nodes[0].membership.unwanted().values()) | {1}
        assert desired == ({1, 2} if newer == 2 else {1, 2, 3})
        older = nodes[-1]
        assert older.others.know("bank")
        nodes[0].kill()
        await trio.sleep(3 * LEASE_S)
        expected = {2, 3} if newer == 1 else {2}
        assert set(run.owners()) == expected, "of two the newer one has half"
        assert older.others.know("bank"), "it may come again, and what it recorded is there"
