"""The edge, as entities hear it: what it asks is `internal`, and on behalf of a user."""

from typing import Any

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.message import Ask, Reply
from greenroom.actors.model.principal import Principal
from greenroom.actors.testing.kit import Waiting
from greenroom.actors.testing.wire import Slot
from greenroom.testing import Kit


def ask(kit: Kit[Any], message: Ask[Reply], *, user: str, roles: tuple[str, ...] = ()) -> Reply:
    """Raises: Refused and its like."""
    slot = Slot()
    kit._finish(Envelope(message=message, principal=Principal(user=user, roles=frozenset(roles)), slot=slot))
    return Waiting(message, slot).reply
