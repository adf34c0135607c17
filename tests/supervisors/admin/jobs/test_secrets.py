"""What operators are not shown of a job, and do not overwrite."""

from typing import Any

import pytest
from msgspec import Struct, field

from greenroom import Job, Secret, Work
from greenroom.actors.personal.redaction import shape_of
from greenroom.supervisors.admin.jobs.secrets import hidden, restored

HIDDEN = "[redacted]"


class Card(Struct):
    number: Secret[str]
    name: str = ""


class Charge(Job, queue="q", tag="job.charge"):
    cents: int
    card: Card
    spare: Card | None = None
    cards: list[Card] = field(default_factory=list)
    by_shop: dict[str, Card] = field(default_factory=dict)
    pin: Secret[int | None] = None
    maybe: Secret[str] | None = None

    async def run(self, work: Work) -> None:
        pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"cents": 5, "card": {"number": "4", "name": "a"}}, {"cents": 5, "card": {"number": HIDDEN, "name": "a"}}),
        ({"spare": {"number": "4"}}, {"spare": {"number": HIDDEN}}),
        ({"cards": [{"number": "4"}, {"number": "5"}]}, {"cards": [{"number": HIDDEN}, {"number": HIDDEN}]}),
        ({"by_shop": {"a": {"number": "4"}}}, {"by_shop": {"a": {"number": HIDDEN}}}),
        ({"pin": 1234, "maybe": "x"}, {"pin": HIDDEN, "maybe": HIDDEN}),
        ({"card": "no card at all"}, {"card": "no card at all"}),
    ],
)
def test_what_the_class_marks_is_not_shown_wherever_it_stands(value: Any, shown: Any) -> None:
    assert hidden(value, shape_of(Charge)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "x", "token_ttl_s": 900}, {"password": HIDDEN, "token_ttl_s": 900}),
        ({"deep": [{"api_key": {"a": 1}}]}, {"deep": [{"api_key": HIDDEN}]}),
        ({"url": "postgres://a:secret@host/x"}, {"url": f"postgres://a:{HIDDEN}@host/x"}),
        (["Bearer abcdefgh", None, True, 1.5], [f"Bearer {HIDDEN}", None, True, 1.5]),
    ],
)
def test_where_no_class_is_known_it_is_as_in_logs(value: Any, shown: Any) -> None:
    assert hidden(value) == shown


@pytest.mark.parametrize(
    ("edited", "stored"),
    [
        ({"film": "b", "token": HIDDEN}, {"film": "b", "token": "t"}),
        ({"film": "a", "token": "new"}, {"film": "a", "token": "new"}),
        ({"film": "a"}, {"film": "a"}),
        ({"film": "a", "token": HIDDEN, "more": [HIDDEN]}, {"film": "a", "token": "t", "more": [HIDDEN]}),
    ],
)
def test_what_was_not_shown_stays_unless_it_is_written_over(edited: Any, stored: Any) -> None:
    assert restored(edited, {"film": "a", "token": HIDDEN}, {"film": "a", "token": "t"}) == stored


def test_what_was_not_shown_stays_in_lists_of_the_same_length() -> None:
    shown, stored = {"cards": [{"number": HIDDEN, "n": 1}]}, {"cards": [{"number": "4", "n": 1}]}
    assert restored({"cards": [{"number": HIDDEN, "n": 2}]}, shown, stored) == {"cards": [{"number": "4", "n": 2}]}
    assert restored({"cards": []}, shown, stored) == {"cards": []}
