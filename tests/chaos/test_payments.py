"""Each payment takes effect once: whole records pass, and each is spoilt in one way."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.payments import Payment, Till, check_payments
from tests.chaos.verdict import Verdict


class Records:
    """Till a has paid b twice."""

    def __init__(self) -> None:
        self.payments = [Payment("a", 0, "b", 1), Payment("a", 1, "b", 2)]
        self.a = [self._fact("paid", 0, to="b"), self._fact("paid", 1, to="b")]
        self.a += [self._fact(what, number) for number in (0, 1) for what in ("confirmed", "reminded")]
        self.b = [self._fact("credited", number, sender="a") for number in (0, 1)]
        self.miscounted = 0

    @staticmethod
    def _fact(what: str, number: int, **fields: str) -> dict[str, Any]:
        return {"type": f"till.{what}", "number": number, **fields}

    def check(self) -> Verdict:
        verdict = Verdict()
        tills = []
        for key, facts in (("a", self.a), ("b", self.b)):
            counts = Counter(fact["type"].partition(".")[2] for fact in facts)
            tills.append(Till(key, dict(counts), list(enumerate(facts, 1))))
        tills[0].counts["paid"] += self.miscounted
        check_payments(verdict, self.payments, tills)
        return verdict


def test_whole_records_pass() -> None:
    verdict = Records().check()
    assert verdict.broken == 0 and verdict.paid == 2


def payment_gone(records: Records) -> None:
    records.payments.append(Payment("a", 2, "b", 7))


def not_credited(records: Records) -> None:
    records.b.pop()


def not_confirmed(records: Records) -> None:
    records.a = [fact for fact in records.a if (fact["type"], fact["number"]) != ("till.confirmed", 1)]


def not_reminded(records: Records) -> None:
    records.a.pop()


@pytest.mark.parametrize("spoil", [payment_gone, not_credited, not_confirmed, not_reminded])
def test_lost(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.lost == 1 and verdict.broken == 1


def credited_twice(records: Records) -> None:
    records.b.append(records.b[-1])


def confirmed_twice(records: Records) -> None:
    records.a.append(records.a[-2])


def reminded_twice(records: Records) -> None:
    records.a.append(records.a[-1])


def paid_twice(records: Records) -> None:
    records.a.insert(2, records.a[1])
    records.payments[1].offset = 3  # the answer that counts here is the later one


@pytest.mark.parametrize("spoil", [credited_twice, confirmed_twice, reminded_twice, paid_twice])
def test_duplicated(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.duplicated == 1 and verdict.broken == 1


def test_credits_that_overtook_one_another_are_reordered() -> None:
    records = Records()
    records.b.reverse()
    verdict = records.check()
    assert verdict.reordered == 1 and verdict.broken == 1


def answered_with_another_offset(records: Records) -> None:
    records.payments[1].offset = 5


def credited_out_of_nothing(records: Records) -> None:
    records.b.append(records._fact("credited", 9, sender="a"))


def returned(records: Records) -> None:
    records.a.append(records._fact("returned", 1))


def miscounted(records: Records) -> None:
    records.miscounted = 1


@pytest.mark.parametrize("spoil", [answered_with_another_offset, credited_out_of_nothing, returned, miscounted])
def test_contradicted(spoil: Callable[[Records], None]) -> None:
    records = Records()
    spoil(records)
    verdict = records.check()
    assert verdict.contradicted == 1 and verdict.broken == 1


def test_a_payment_without_an_answer_is_not_recovered() -> None:
    records = Records()
    records.payments[1].offset = 0
    assert records.check().not_recovered == 1
