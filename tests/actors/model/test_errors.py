"""What senders are told of a refusal, and which refusal a nursery has wrapped."""

from greenroom.actors.model.errors import Overloaded, Refused, refusal_in


def test_only_a_refusal_for_now_may_be_sent_again() -> None:
    assert [Refused("a.b", status=status).temporary for status in (403, 409, 429)] == [False, False, True]
    assert str(Refused("a.b", "not today")) == "a.b: not today" and str(Refused("a.b")) == "a.b"


def test_the_last_refusal_of_a_group_counts_and_none_beside_anything_else() -> None:
    first, last = Refused("a.first"), Overloaded()
    assert refusal_in(ExceptionGroup("", [first, ExceptionGroup("", [last])])) is last
    assert refusal_in(ExceptionGroup("", [first, ValueError()])) is None
    assert refusal_in(ExceptionGroup("", [first, ExceptionGroup("", [ValueError()]), last])) is None
