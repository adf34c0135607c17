"""Between one sender and one receiver messages keep their order, also those that come back."""

from msgspec import Raw

from greenroom.actors.life.outgoing import Outgoing
from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.delivery.pair import Delivery, Pair, Row


class Heard:
    def __init__(self) -> None:
        self.said: list[tuple[int, object]] = []

    def decided(self, delivery: Delivery) -> None:
        self.said.append((delivery.message.seq, "decided"))

    def postpone(self, delivery: Delivery, error: ActorError) -> None:
        raise NotImplementedError

    def rejected(self, delivery: Delivery, error: ActorError) -> None:
        self.said.append((delivery.message.seq, error))


def delivery(pair: Pair, seq: int) -> Delivery:
    return Delivery(pair, Row(1, seq, 1, 10), Outgoing(seq, pair.receiver, Raw(b"{}")))


def waiting(pair: Pair) -> list[int]:
    return [one.message.seq for one in pair.waiting]


def test_what_was_read_out_of_order_is_put_in_order() -> None:
    pair = Pair(Heard(), 1, "a:1", "b:1")
    for seq in (1, 3, 2, 4):
        pair.add(delivery(pair, seq))
    assert waiting(pair) == [1, 2, 3, 4]


def test_what_came_back_goes_before_what_waits_behind_it() -> None:
    pair = Pair(Heard(), 1, "a:1", "b:1")
    pair.returned = [delivery(pair, 2), delivery(pair, 1)]
    pair.paused = True
    pair.add(delivery(pair, 3))
    pair.take_back()
    assert (waiting(pair), pair.returned, pair.paused) == ([1, 2, 3], [], False)


def test_a_delivery_tells_what_the_receiver_made_of_it() -> None:
    heard = Heard()
    pair = Pair(heard, 1, "a:1", "b:1")
    error = ActorError()
    delivery(pair, 1).resolve(None, None)
    delivery(pair, 2).reject(error)
    assert heard.said == [(1, "decided"), (2, error)]
