"""Who waits for whom: circles are seen however long, and of two that ask each other over two nodes one gives way."""

from greenroom.actors.life.waits import Waits


def test_a_circle_is_seen_however_long_and_no_longer_once_one_of_its_asks_has_ended() -> None:
    waits = Waits()
    for asker, entity in (("a", "b"), ("b", "c"), ("b", "x"), ("c", "d")):
        waits.begin(asker, entity)
    assert waits.close("d", "a") and waits.close("b", "a") and waits.close("e", "e")
    assert not waits.close("a", "d") and not waits.close("x", "y")
    waits.end("b", "c")
    assert not waits.close("d", "a") and len(waits) == 3


def test_the_same_ask_may_be_made_twice() -> None:
    waits = Waits()
    waits.begin("a", "b")
    waits.begin("a", "b")
    waits.end("a", "b")
    assert waits.close("b", "a")
    waits.end("a", "b")
    assert not waits.close("b", "a") and not waits


def test_of_two_that_ask_each_other_both_nodes_choose_the_same() -> None:
    here, there = Waits(), Waits()
    here.begin("a", "b")  # each node knows of its own one, and the other arrives
    there.begin("b", "a")
    assert here.gives_way("b", "a") is not there.gives_way("a", "b")


def test_a_longer_circle_is_seen_by_one_node_and_so_whatever_closes_it_there_gives_way() -> None:
    waits = Waits()
    waits.begin("b", "c")
    waits.begin("c", "a")
    assert waits.gives_way("a", "b")
