"""Messages that wait, without anybody to send them: see asking/ for what becomes of them."""

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.correspondence.holding import LAST_S, Asked, Holding
from tests.supervisors.correspondence.small_entities import Say


class Nobody:
    def end(self, asked: Asked, error: ActorError) -> None:
        raise AssertionError


def asked(number: int, entity: str = "talk:a", hops: int = 0) -> Asked:
    return Asked(Nobody(), number, entity, Envelope(message=Say(text="x")), hops)


def test_what_comes_back_goes_before_what_was_sent_later() -> None:
    holding = Holding()
    five, three, four = asked(5), asked(3), asked(4)
    assert [holding.add(one, 0.0) for one in (five, three, four)] == [True, False, False]
    assert holding.of("talk:a") == [three, four, five]
    assert len(holding) == 3
    holding.remove(four)
    assert holding.of("talk:a") == [three, five]
    assert four.held_at is None
    for one in (three, five):
        holding.remove(one)
    assert ("talk:a" in holding, len(holding), holding.of("talk:a")) == (False, 0, [])


def test_an_entity_is_looked_at_less_and_less_often() -> None:
    holding = Holding()
    holding.add(asked(1), 0.0)
    at, looks = 0.0, []
    for _ in range(8):
        assert holding.look_later("talk:a", at)
        assert holding.due(holding.next_at - 0.001) is None
        looks.append(round(holding.next_at - at, 3))
        at = holding.next_at
        assert holding.due(at) == "talk:a"
    assert looks == [0.02, 0.04, 0.08, 0.16, 0.32, LAST_S, LAST_S, LAST_S]
    holding = Holding()
    holding.add(asked(1, hops=4), 0.0)
    holding.look_later("talk:a", 0.0)
    assert holding.next_at == 0.16


def test_each_is_looked_at_once_however_often_it_has_come_and_gone() -> None:
    holding = Holding()
    for number in range(5):
        one = asked(number)
        assert holding.add(one, 0.0)
        holding.look_later("talk:a", 0.0)
        holding.remove(one)
    assert holding.due(1.0) is None
    for number in range(5):
        one = asked(number)
        holding.add(one, 0.0)
        holding.look_later("talk:a", 0.0)
        if number < 4:
            holding.remove(one)
    holding.add(asked(9, "talk:b"), 0.0)
    holding.look_later("talk:b", 0.0)
    assert [holding.due(1.0), holding.due(1.0), holding.due(1.0)] == ["talk:a", "talk:b", None]


def test_an_entity_of_which_something_is_known_is_looked_at_now_and_once() -> None:
    holding = Holding()
    for number, entity in enumerate(("talk:a", "talk:b")):
        holding.add(asked(number, entity), 0.0)
        holding.look_later(entity, 0.0)
    assert holding.entities() == ["talk:a", "talk:b"]
    assert holding.look_now("talk:b", 0.001)
    assert not holding.look_now("talk:b", 0.001), "it is about to be"
    assert holding.next_at == 0.001
    assert [holding.due(0.001), holding.due(0.001)] == ["talk:b", None]
    holding.look_later("talk:b", 0.001)
    assert [holding.due(1.0), holding.due(1.0), holding.due(1.0)] == ["talk:a", "talk:b", None]
