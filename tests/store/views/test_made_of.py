"""Which events a table is made of: what may come and go under one version."""

import pytest

from greenroom.store.views.made_of import OfKind, differences, of_kind, together

SHOW = of_kind("show", ["show.clapped"], ["show.clapped", "show.closed"])


def test_what_a_kind_has_and_is_not_followed_is_passed_over() -> None:
    assert OfKind("show", ("show.clapped",), ("show.closed",)) == SHOW


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([], []),  # the kind is not installed: it goes on where it stood once it is again
        ([SHOW, of_kind("room", ["room.joined"], ["room.joined"])], []),
        ([of_kind("show", ["show.clapped", "show.opened"], ["show.clapped", "show.closed", "show.opened"])], []),
        ([of_kind("show", ["show.renamed"], ["show.renamed"])], []),  # an upcaster makes it of the one before
        (
            [of_kind("show", ["show.clapped", "show.closed"], ["show.clapped", "show.closed"])],
            ["show.closed was passed over until now"],
        ),
        ([of_kind("show", [], ["show.clapped"])], ["show.clapped is not folded any more"]),
    ],
)
def test_what_was_passed_over_is_not_followed_later(now: list[OfKind], said: list[str]) -> None:
    assert differences([SHOW], now) == said


def test_a_table_remembers_all_that_it_was_made_of() -> None:
    """A release that lacks an event, or a kind, says nothing against those that have it."""
    later = of_kind("show", ["show.clapped", "show.opened"], ["show.clapped", "show.closed", "show.opened"])
    room = of_kind("room", ["room.joined"], ["room.joined"])
    both = together([SHOW, room], [later])
    assert both == (room, later)
    assert together(both, [SHOW]) == both
    assert differences(both, [SHOW]) == []
    assert together((), [SHOW]) == (SHOW,)
