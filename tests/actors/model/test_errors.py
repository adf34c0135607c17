"""What senders are told of a refusal, and which refusal a nursery has wrapped."""

from greenroom.actors.model.errors import Overloaded, Refused, StoreAway, refusal_in
from greenroom.store.errors import (
    DataRefused,
    NotAnswered,
    OutcomeLost,
    StatementRefused,
    StoreUnavailable,
    TookTooLong,
)


def test_only_a_refusal_for_now_may_be_sent_again() -> None:
    assert [Refused("a.b", status=status).temporary for status in (403, 409, 429)] == [False, False, True]
    assert str(Refused("a.b", "not today")) == "a.b: not today" and str(Refused("a.b")) == "a.b"


def test_the_last_refusal_of_a_group_counts_and_none_beside_anything_else() -> None:
    first, last = Refused("a.first"), Overloaded()
    assert refusal_in(ExceptionGroup("", [first, ExceptionGroup("", [last])])) is last
    assert refusal_in(ExceptionGroup("", [first, ValueError()])) is None
    assert refusal_in(ExceptionGroup("", [first, ExceptionGroup("", [ValueError()]), last])) is None


def test_that_the_store_is_away_is_a_refusal_for_now_and_what_it_refuses_is_none() -> None:
    for error in (StoreUnavailable("away"), NotAnswered(), ExceptionGroup("", [StoreUnavailable("away")])):
        refusal = refusal_in(error)
        assert isinstance(refusal, StoreAway) and refusal.temporary and refusal.name == "unavailable"
    never = DataRefused("no"), StatementRefused("no table"), TookTooLong("so much")
    for other in (*never, OutcomeLost(), ExceptionGroup("", [StoreUnavailable(), ValueError()])):
        assert refusal_in(other) is None
