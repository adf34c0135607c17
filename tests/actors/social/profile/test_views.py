"""The rows of profiles."""

import pytest

from greenroom import Refused
from greenroom.actors.model.principal import ANONYMOUS, Principal
from greenroom.actors.social.profile.events import Changed
from greenroom.actors.social.profile.state import ProfileState
from greenroom.actors.social.profile.views import People, Profiles
from greenroom.actors.views.view import Origin
from greenroom.testing import fold

HAPPENED = [
    ("profile:ann", Changed(name="Ann", bio="hello", timezone="Asia/Tokyo")),
    ("profile:bob", Changed(name="Bob", avatar="0123456789abcdef01234567")),
    ("profile:ann", Changed(bio="")),
    ("profile:ann", Changed(avatar="76543210fedcba9876543210")),
]


def test_a_row_is_what_was_said_last() -> None:
    assert fold(Profiles, HAPPENED) == [
        Profiles.Row("ann", "Ann", "76543210fedcba9876543210"),
        Profiles.Row("bob", "Bob", "0123456789abcdef01234567"),
    ]
    assert fold(People, HAPPENED) == [
        People.Row("ann", "Ann", "", "76543210fedcba9876543210"),
        People.Row("bob", "Bob", "", "0123456789abcdef01234567"),
    ]


class Made:
    """The rows of a seed."""

    def __init__(self, row: type) -> None:
        self.row, self.rows = row, {}  # type: ignore[var-annotated]

    def get(self, keys: dict[str, str]) -> object:
        return self.rows.setdefault(tuple(keys.values()), self.row(**keys))

    def find(self, keys: dict[str, str]) -> object:
        return self.rows.get(tuple(keys.values()))

    def remove(self, row: object) -> None:
        raise AssertionError


def test_a_row_is_made_of_the_state_where_its_events_are_gone() -> None:
    state, of = ProfileState(name="Ann", bio="hello", avatar="a"), Origin("profile:ann", 3, 0)
    for view, row in ((Profiles, Profiles.Row("ann", "Ann", "a")), (People, People.Row("ann", "Ann", "hello", "a"))):
        made = Made(view.Row)
        view(made).seed(state, of)
        assert list(made.rows.values()) == [row]


def test_whoever_looks_for_people_is_signed_in() -> None:
    People.may_watch(Principal(user="bob"), "all")
    Profiles.may_watch(ANONYMOUS, "ann")
    with pytest.raises(Refused, match="unauthenticated"):
        People.may_watch(ANONYMOUS, "all")
