"""Who may be called what, and which fields of a command name users."""

import pytest
from msgspec import Struct

from greenroom.actors.model.principal import UserId, user_field_problem, user_fields, user_id_problem


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ("ann", ""),
        ("я" * 127, ""),
        ("", "is empty"),
        ("a\nb", "holds control characters"),
        ("a\x7fb", "holds control characters"),
        ("a\x85b", "holds control characters"),
        ("\ud800", "is not valid Unicode"),
        ("я" * 128, "is longer than 255 bytes of UTF-8"),
        ("anonymous", "is a reserved name"),
        ("system", "is a reserved name"),
    ],
)
def test_what_can_be_no_user_says_why(user: str, problem: str) -> None:
    assert user_id_problem(user) == problem


class Named(Struct):
    whom: UserId
    other: UserId | None = None
    some: list[UserId] = []
    seats: dict[UserId, int] = {}
    text: str = "anonymous"
    notes: dict[str, UserId] = {}


def test_fields_that_name_users_are_found_in_options_lists_and_keys() -> None:
    assert user_fields(Named) == ("whom", "other", "some", "seats")


def test_the_first_field_that_names_no_user_is_told() -> None:
    assert user_field_problem(Named("ann")) is None
    assert user_field_problem(Named("ann", some=["bob", "system"])) == ("some", "is a reserved name")
    assert user_field_problem(Named("ann", other="", seats={"a\nb": 1})) == ("other", "is empty")
    assert user_field_problem(Named("ann", seats={"a\nb": 1})) == ("seats", "holds control characters")
