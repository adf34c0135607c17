"""Messages that the runtime itself speaks to actors and their cells."""

from msgspec import Struct

from actors.message import Ask, Tell


class Terminated(Tell, frozen=True, kw_only=True, tag="actor.terminated"):
    """The watched entity's actor has stopped for good. `reason` is `stopped` or `failed`."""

    entity: str
    reason: str


class Inspected(Struct):
    """An entity as of one moment between two events. Released in order: what follows has higher offsets."""

    view: bytes  # JSON
    epoch: str
    offset: int


class Inspect(Ask[Inspected], frozen=True, kw_only=True, tag="actor.inspect"):
    """May the principal watch? Then the view, epoch and offset."""


class AudienceChanged(Tell, frozen=True, kw_only=True, tag="actor.audience_changed"):
    """The envelope's principal began or ceased to watch."""

    joined: bool


class Passivate(Struct, frozen=True):
    """Control: go to sleep if nothing waits."""


class Stop(Struct, frozen=True):
    """Control: finish the burst, flush, stop."""


class Rebuild(Struct, frozen=True):
    """Control: an append failed or its outcome is unknown, so memory may be ahead of the journal."""
