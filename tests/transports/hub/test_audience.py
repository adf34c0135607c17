"""Entities are told who comes to watch and who leaves, where their kind wants to know."""

from typing import Any

import pytest

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import AudienceChanged
from greenroom.actors.model.principal import Principal
from greenroom.transports.hub.audience import Audience
from tests.transports.world import Mute, Note, World

ANN = Principal(user="ann", client="c1")


def test_only_a_kind_that_listens_is_told_and_it_hears_who_and_which_way() -> None:
    told: list[tuple[str, Any, Principal, bool]] = []

    def submit(entity: str, envelope: Envelope) -> None:
        told.append((entity, envelope.message, envelope.principal, envelope.slot is None))

    class Heir(Mute):
        """Listens, as its parent does not."""

        kind = "heir"

        def audience_changed(self, who: Principal, joined: bool) -> None:
            pass

    audience = Audience(Kinds((Note, Mute, Heir)), submit)
    for joined in (True, False):
        for entity in ("note:a", "mute:a", "heir:x:y", "nobody:a"):
            audience.changed(entity, ANN, joined=joined)
    assert told == [
        (entity, AudienceChanged(joined=joined), ANN, True)
        for joined in (True, False)
        for entity in ("note:a", "heir:x:y")
    ]
    assert Mute.audience_changed is Actor.audience_changed


def test_a_hint_that_finds_no_place_is_dropped_and_a_mistake_is_not() -> None:
    def full(entity: str, envelope: Envelope) -> None:
        raise Overloaded("full")

    Audience(Kinds((Note,)), full).changed("note:a", ANN, joined=True)

    def broken(entity: str, envelope: Envelope) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Audience(Kinds((Note,)), broken).changed("note:a", ANN, joined=True)


async def test_each_coming_and_going_is_told_once_however_it_ends() -> None:
    made = World()
    client, other = made.client(), made.client()
    for one, user in ((client, "ann"), (other, "bob")):
        one.connect(user)
        one.ask({"subscribe": {"channel": "note:a"}, "id": 2})
    client.ask({"unsubscribe": {"channel": "note:a"}, "id": 3}, {"unsubscribe": {"channel": "note:a"}, "id": 4})
    other.session.ended()
    other.session.ended()
    assert made.audience == [
        ("note:a", "ann", True),
        ("note:a", "bob", True),
        ("note:a", "ann", False),
        ("note:a", "bob", False),
    ]
