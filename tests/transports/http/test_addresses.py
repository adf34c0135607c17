"""Addresses: what paths under /api/ name, looked at once."""

import pytest

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import UnknownCommand, UnknownKind
from greenroom.actors.model.kinds import Kinds
from greenroom.transports.auth.http_principal import _named
from greenroom.transports.http.addresses import HISTORY, REMEMBERED_MAX, VIEW, Addresses
from tests.transports.small_node import Talk

KINDS = Kinds((Talk,))


@pytest.mark.parametrize(
    ("path", "posts", "entity", "name"),
    [
        (b"/api/talk/a/say", True, "talk:a", "say"),
        (b"/api/talk/a%2Fb/say", True, "talk:a/b", "say"),
        (b"/api/talk/a/b/say", True, "talk:a/b", "say"),
        (b"/api/talk/a/say", False, "talk:a", "say"),
        (b"/api/talk/a", False, "talk:a", VIEW),
        (b"/api/talk/a", True, "talk:a", VIEW),
        (b"/api/talk/a/b", False, "talk:a/b", VIEW),
        (b"/api/talk/a/history", False, "talk:a", HISTORY),
    ],
)
def test_what_a_path_names(path: bytes, posts: bool, entity: str, name: str) -> None:
    address = Addresses(KINDS).find(path, posts)
    assert (address.entity, address.name, address.label) == (entity, name, ("talk", name))
    assert (address.command is not None) is (posts and name == "say")


def test_what_is_asked_for_again_is_remembered_and_what_names_nothing_is_not() -> None:
    addresses = Addresses(KINDS)
    assert addresses.find(b"/api/talk/a/say", True) is addresses.find(b"/api/talk/a/say", True)
    for path, error in (
        (b"/api/nope/a", UnknownKind),
        (b"/api/talk/%00", BadEntity),
        (b"/api/talk/" + b"a" * 256, BadEntity),
        (b"/api/talk/a/" + b"a" * 9_000, UnknownCommand),
    ):
        with pytest.raises(error):
            addresses.find(path, True)
    assert addresses.find.cache_info().currsize == 1


@pytest.mark.bound("addresses and users that requests have named")
def test_what_requests_name_is_remembered_within_a_bound() -> None:
    addresses = Addresses(KINDS)
    for remembered, ask in (
        (addresses.find, lambda number: addresses.find(b"/api/talk/%d" % number, False)),
        (_named, lambda number: _named(b"%d" % number)),
    ):
        for number in range(REMEMBERED_MAX + 1):
            ask(number)
        info = remembered.cache_info()
        assert info.currsize == info.maxsize == REMEMBERED_MAX
        ask(REMEMBERED_MAX)
        assert remembered.cache_info().misses == info.misses
        ask(0)
        assert remembered.cache_info().misses == info.misses + 1, "the one longest not asked for"
