"""A notice: what an entity shows to a user, wherever they are. `Actor.notify` sends it.

Its message is here, below all domains, since every entity may send it. The kind `session` takes it: one entity for each
user, whose channel all of their devices watch (actors/identity/session.py).
"""

from typing import Any

from msgspec import Struct

from greenroom.actors.model.message import Ask

SESSION_KIND = "session"
NOTICE_BYTES_MAX = 16_384  # how large `data` may be, as JSON


class Pushed(Struct, frozen=True):
    """Where the push stands in the session's channel."""

    offset: int


class Push(Ask[Pushed], tag="session.push"):
    """Show `data` on every device of the user: now, or when it next connects and recovers."""

    data: Any  # any JSON of at most 16 KiB
    by: str = ""  # the user on whose behalf it comes; "" when it is nobody's
