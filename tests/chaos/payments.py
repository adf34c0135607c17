"""What payers write down, what tills say afterwards, and whether each payment took effect once. Pure.

- A payment that was acknowledged is in its till's history, where the answer said.
- Each payment in a history was credited by the other till once, confirmed once and reminded of once; nothing was
  credited, confirmed or reminded of that nobody paid.
- Between two tills order holds, and a till's payments are in the order in which they were made.
- A till's own counts are those of its history.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.verdict import Verdict


@dataclass(slots=True)
class Payment:
    till: str  # keys, here and below
    number: int  # of the till's payments, from 0
    to: str
    offset: int = 0  # 0 until acknowledged


@dataclass(slots=True)
class Till:
    key: str
    counts: dict[str, int]  # by its own word
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # offset and data


def check_payments(verdict: Verdict, payments: Iterable[Payment], tills: Iterable[Till]) -> None:
    """Adds to `verdict`."""
    by_key = {till.key: till for till in tills}
    paid: dict[tuple[str, int], tuple[int, str]] = {}  # (till, number) -> offset, receiver
    credited: Counter[tuple[str, int, str]] = Counter()  # till, number, receiver
    later: dict[str, Counter[tuple[str, int]]] = {name: Counter() for name in ("confirmed", "reminded", "returned")}
    for till in by_key.values():
        last: dict[str, int] = {}  # number of the last payment that was credited, by sender; "" for those made here
        for offset, data in till.events:
            what, number = data["type"].partition(".")[2], data.get("number", -1)
            sender = data.get("sender", "")
            if what == "paid":
                if (till.key, number) in paid:
                    verdict.count("duplicated", f"till {till.key} paid number {number} twice")
                paid[till.key, number] = offset, data["to"]
            elif what == "credited":
                credited[sender, number, till.key] += 1
            elif what in later:
                later[what][till.key, number] += 1
            if what in ("paid", "credited"):
                if number < last.get(sender, -1):
                    verdict.count("reordered", f"till {till.key}: {what} {number} of {sender} after {last[sender]}")
                last[sender] = max(number, last.get(sender, -1))
        counts = Counter(data["type"].partition(".")[2] for _, data in till.events)
        if counts != Counter(till.counts):
            verdict.count("contradicted", f"till {till.key} counts {till.counts}, its history has {dict(counts)}")
    for payment in payments:
        name = f"number {payment.number} of till {payment.till}"
        found = paid.get((payment.till, payment.number))
        if not payment.offset:
            verdict.count("not_recovered", f"{name} was never acknowledged")
        elif found is None:
            verdict.count("lost", f"{name}, acknowledged at {payment.offset}, is not in the history")
        elif found != (payment.offset, payment.to):
            verdict.count("contradicted", f"{name} was acknowledged at {payment.offset} and is at {found}")
        verdict.paid += bool(payment.offset)
    expected = Counter({(till, number, to): 1 for (till, number), (_, to) in paid.items()})
    _compare(verdict, "credited", expected, credited)
    mine = Counter(dict.fromkeys(paid, 1))
    _compare(verdict, "confirmed", mine, later["confirmed"])
    _compare(verdict, "reminded", mine, later["reminded"])
    _compare(verdict, "returned", Counter(), later["returned"])


def _compare(verdict: Verdict, what: str, expected: "Counter[Any]", found: "Counter[Any]") -> None:
    for key in expected - found:
        verdict.count("lost", f"payment {key} was not {what}")
    for key, times in (found - expected).items():
        if key in expected:
            verdict.count("duplicated", f"payment {key} was {what} {found[key]} times", times)
        else:
            verdict.count("contradicted", f"payment {key} was {what}, and was never made", times)
