"""What nodes know of one another: where pages of which views are."""

from greenroom.supervisors.views.watched import Watched

OTHER = 2


def test_a_node_that_has_said_nothing_is_told_everything() -> None:
    watched = Watched()
    assert watched.wants(OTHER, "board")
    assert watched.heard(OTHER, ["board"]) == [], "nothing was kept from it"


def test_what_was_kept_from_a_node_is_missed_once() -> None:
    watched = Watched()
    watched.heard(OTHER, ["notes"])
    assert watched.wants(OTHER, "notes") and not watched.wants(OTHER, "board")
    assert watched.heard(OTHER, ["board", "notes"]) == ["board"]
    assert watched.wants(OTHER, "board")
    assert watched.heard(OTHER, ["board"]) == []


def test_what_was_kept_before_a_link_parted_is_missed_all_the_same() -> None:
    watched = Watched()
    watched.heard(OTHER, [])
    assert not watched.wants(OTHER, "board")
    watched.parted(OTHER)
    assert watched.wants(OTHER, "board")
    assert watched.heard(OTHER, ["board"]) == ["board"]


def test_a_node_that_is_not_known_yet_is_not_forgotten_at_once() -> None:
    watched = Watched()
    watched.heard(OTHER, [])
    assert not watched.wants(OTHER, "board")
    watched.look([], [])
    assert watched.wants(OTHER, "board")
    assert watched.heard(OTHER, ["board"]) == ["board"]
    watched.heard(OTHER, [])
    assert not watched.wants(OTHER, "board")
    watched.look([], [])
    watched.look([], [])
    assert watched.heard(OTHER, ["board"]) == [], "it was gone"


def test_a_view_is_watched_until_a_look_finds_no_page_that_was_read_since_the_one_before() -> None:
    watched = Watched()
    assert watched.read("board") and not watched.read("board")
    watched.look([], [OTHER])
    assert watched.here == ["board"]
    watched.look(["notes"], [OTHER])
    assert watched.here == ["notes"]


def test_whoever_knows_what_is_watched_is_not_told_again() -> None:
    watched = Watched()
    assert watched.untold([OTHER, 3]) == [OTHER, 3]
    watched.said(OTHER)
    assert watched.untold([OTHER, 3]) == [3]
    watched.read("board")
    assert watched.untold([OTHER]) == [OTHER]
    watched.said(OTHER)
    watched.parted(OTHER)
    assert watched.untold([OTHER]) == [OTHER]
