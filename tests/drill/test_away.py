"""How long a room was away, by what its members have written down."""

from tests.chaos.records import Member, Send
from tests.drill.away import away_ms, waited_s


def send(sent_s: float, acked_s: float, *, leg: int = 1, acked_leg: int = 1, offset: int = 1) -> Send:
    return Send(0, 0, offset=offset, sent_s=sent_s, acked_s=acked_s, leg=leg, acked_leg=acked_leg)


def test_only_the_part_of_a_wait_counts_that_lies_in_the_time() -> None:
    assert waited_s(send(11.0, 11.5), 10.0, 20.0) == 0.5
    assert waited_s(send(9.0, 10.25), 10.0, 20.0) == 0.25
    assert waited_s(send(19.5, 21.0), 10.0, 20.0) == 1.5, "it was due within it"
    assert waited_s(send(8.0, 9.0), 10.0, 20.0) == 0.0
    assert waited_s(send(20.0, 21.0), 10.0, 20.0) == 0.0
    assert waited_s(send(11.0, 0.0, offset=0), 10.0, 20.0) == 0.0, "never answered: that is told otherwise"


def test_the_longest_wait_of_a_room_by_any_of_its_members() -> None:
    members = [
        Member("room:a", 0, sends=[send(11.0, 11.125), send(12.0, 12.25)]),
        Member("room:a", 1, sends=[send(13.0, 14.0, acked_leg=2)]),
        Member("room:b", 0, sends=[send(11.0, 11.0625)]),
        Member("room:c", 0),
    ]
    assert away_ms(members, 10.0, 20.0, stayed=True) == [0.0, 62.5, 250.0]
    assert away_ms(members, 10.0, 20.0, stayed=False) == [0.0, 62.5, 1000.0]
