"""Which types have something secret in them."""

from typing import Any, NamedTuple

import pytest
from msgspec import Struct

from greenroom import Secret
from greenroom.actors.personal.redaction import shape_of
from greenroom.actors.personal.secrets import has_secrets


class Plain(Struct):
    name: str
    other: "Plain | None" = None


class Deep(Struct):
    name: str
    other: "list[Deep] | None" = None
    pin: Secret[int] = 0


class Seat(NamedTuple):
    number: Secret[str]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (Plain, False),
        (dict[str, tuple[Plain, ...]], False),
        (Deep, True),
        (dict[str, Deep | int], True),
        (list[tuple[int, Secret[str]]], True),
        (dict[Secret[str], int], True),
        (Seat | None, True),
    ],
)
def test_a_secret_is_found_wherever_it_stands(declared: Any, expected: bool) -> None:
    assert has_secrets(shape_of(declared)) is expected
