"""The entity behind a view's channel, alone: what it reads is the test's."""

import msgspec
import pytest

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.kinds import Kind
from greenroom.actors.testing.kit import Kit
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page_actor import Loaded, PageActor, PageStale, page_kind
from greenroom.store.views.shape import Shape
from tests.actors.views.boards import Board, Closed, installed
from tests.actors.views.memory_board import VERSION, MemoryBoard

EVERY_S = 0.1  # Board's


def page(table: MemoryBoard) -> Kit[PageActor]:
    return Kit(page_kind(Board, table), "finale")


def board(*claps: tuple[str, int]) -> list[dict[str, object]]:
    return [{"show": "finale", "user": user, "claps": times} for user, times in claps]


def test_who_comes_is_shown_the_page() -> None:
    table = MemoryBoard()
    for user, claps in (("ann", 1), ("bob", 3), ("eve", 2), ("joe", 0)):
        table.put(user, claps)
    kit = page(table)
    assert kit.watch(user="zoe") == {"rows": board(("bob", 3), ("eve", 2), ("ann", 1))}
    assert kit.offset == 0
    assert kit.publications == []


def test_what_changes_is_set_and_what_leaves_is_gone() -> None:
    table = MemoryBoard()
    for user, claps in (("ann", 1), ("bob", 3), ("eve", 2)):
        table.put(user, claps)
    kit = page(table)
    kit.tell(table.put("joe", 4))
    assert kit.publications == [
        {"gone": {"show": "finale", "user": "ann"}},
        {"set": {"show": "finale", "user": "joe", "claps": 4}},
    ]
    assert (kit.offset, kit.view()) == (2, {"rows": board(("joe", 4), ("bob", 3), ("eve", 2))})
    kit.advance(1)
    kit.tell(table.remove("joe"))
    assert kit.publications[2:] == [
        {"gone": {"show": "finale", "user": "joe"}},
        {"set": {"show": "finale", "user": "ann", "claps": 1}},
    ]


def test_it_is_told_so_often_and_no_oftener_and_the_newest_row_wins() -> None:
    table = MemoryBoard()
    kit = page(table)
    kit.tell(table.put("ann", 1))
    assert len(kit.publications) == 1, "the first of a calm page at once"
    for claps in range(2, 50):
        kit.tell(table.put("ann", claps))
    assert len(kit.publications) == 1
    kit.advance(EVERY_S)
    assert kit.publications[1:] == [{"set": {"show": "finale", "user": "ann", "claps": 49}}]
    kit.advance(EVERY_S)
    kit.tell(table.put("ann", 50))
    assert len(kit.publications) == 3


def test_within_any_second_there_are_at_most_so_many() -> None:
    table = MemoryBoard()
    kit = page(table)
    for claps in range(1, 1_001):
        kit.tell(table.put("ann", claps))
        kit.advance(0.002)
    kit.advance(1)
    assert 18 <= len(kit.publications) <= 22
    assert kit.publications[-1]["set"]["claps"] == 1_000


def test_between_two_tellings_the_page_is_what_was_told_last() -> None:
    """So that whoever comes now, and hears what comes next, has all of it once."""
    table = MemoryBoard()
    kit = page(table)
    kit.tell(table.put("ann", 1))
    kit.tell(table.put("ann", 2))
    assert (kit.watch(user="zoe"), kit.offset) == ({"rows": board(("ann", 1))}, 1)
    kit.advance(EVERY_S)
    assert (kit.view(), kit.offset) == ({"rows": board(("ann", 2))}, 2)


def test_a_stale_page_is_read_again_and_says_what_it_missed() -> None:
    table = MemoryBoard()
    kit = page(table)
    table.put("ann", 1)
    table.put("bob", 2)
    kit.tell(PageStale())
    assert [one["set"]["user"] for one in kit.publications] == ["bob", "ann"]
    assert table.loads == 2
    kit.tell(PageStale())
    kit.tell(PageStale())
    assert table.loads == 2, "not oftener than it may tell"
    kit.advance(EVERY_S)
    assert table.loads == 3
    assert len(kit.publications) == 2, "nothing was missed"


def test_a_page_that_can_not_be_read_is_tried_again_and_stays_as_it_was() -> None:
    table = MemoryBoard()
    kit = page(table)
    kit.tell(table.put("ann", 1))
    kit.advance(1)
    table.is_away = True
    table.put("ann", 2)
    kit.tell(PageStale())
    kit.advance(2)
    assert table.loads > 2
    assert kit.view() == {"rows": board(("ann", 1))}
    table.is_away = False
    kit.advance(2)
    assert kit.view() == {"rows": board(("ann", 2))}
    assert len(kit.publications) == 2


def test_of_another_version_it_is_told_nothing_but_to_look() -> None:
    table = MemoryBoard()
    kit = page(table)
    newer = table.put("ann", 1)
    table.layout = Layout("board", VERSION + 1, table.layout.shape, Board.watch)
    kit.tell(msgspec.structs.replace(newer, version=VERSION - 1))
    assert kit.publications == [], "of one that was live before"
    kit.tell(msgspec.structs.replace(newer, version=VERSION + 1))
    assert kit.publications == [{"set": {"show": "finale", "user": "ann", "claps": 1}}]
    kit.advance(1)
    kit.tell(table.put("ann", 2))
    assert table.loads == 2, "it is told of that one's rows now"
    assert kit.view() == {"rows": board(("ann", 2))}


def test_rows_of_another_shape_take_their_place_once() -> None:
    table = MemoryBoard()
    table.put("ann", 1)
    table.put("bob", 2)
    kit = page(table)
    columns = tuple(one for one in table.layout.shape.columns)
    more = msgspec.structs.replace(columns[1], name="nick", is_key=False)
    table.layout = Layout("board", VERSION + 1, Shape((*columns[:2], columns[2], more)), Board.watch)
    whole = table.layout.row_of

    def row_of(values: tuple[object, ...], revision: int) -> object:
        return whole((*values, "nn"), revision)

    table.layout.row_of = row_of  # type: ignore[method-assign, assignment]
    kit.tell(PageStale())
    kit.advance(5)
    assert [one["set"]["nick"] for one in kit.publications] == ["nn", "nn"]


@pytest.mark.parametrize("user", ["mallory"])
def test_the_view_says_who_may_watch(user: str) -> None:
    kit = page(MemoryBoard())
    with pytest.raises(Refused, match=r"board\.private"):
        kit.watch(user=user)
    kit.watch(user=user, roles=("admin",))


def test_a_view_that_does_not_say_who_may_is_closed() -> None:
    class Empty(MemoryBoard):
        async def load(self, view: str, key: str, *, spare: int) -> Loaded:
            return Loaded(Layout("closed", 1, installed(Closed).shape, Closed.watch), [], 0)

    kit = Kit(page_kind(Closed, Empty()), "all")
    with pytest.raises(Refused, match=r"view\.closed"):
        kit.watch(user="ann")


def test_it_sleeps_once_nobody_watches() -> None:
    kit = page(MemoryBoard())
    assert kit.actor.may_sleep()
    kit.watch(user="zoe", client="c")
    assert not kit.actor.may_sleep()
    kit.unwatch(client="c")
    assert kit.actor.may_sleep()


def test_its_kind_is_one_like_others() -> None:
    kind = Kind(page_kind(Board, MemoryBoard()))
    assert (kind.name, kind.begins, kind.actor.durable, dict(kind.commands)) == ("board", True, False, {})


def test_a_telling_that_was_lost_does_not_silence_it() -> None:
    """What comes to a full mailbox is lost, its own message to itself as well."""
    table = MemoryBoard()
    kit = page(table)
    kit.tell(table.put("ann", 1))
    kit.tell(table.put("ann", 2))
    kit._afters.clear()
    kit.advance(1)
    kit.tell(table.put("ann", 3))
    assert kit.publications[-1]["set"]["claps"] == 3
