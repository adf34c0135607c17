"""Sessions come with every server: so tests have them too, and what an entity notifies users of can be looked at."""

from collections.abc import Iterable

from greenroom.actors.identity import Session
from greenroom.actors.model.actor import Actor


def with_sessions(actors: Iterable[type[Actor[object]]]) -> tuple[type[Actor[object]], ...]:
    """Those, and the built-in kind `session` unless one of them has that name."""
    given = tuple(actors)
    return given if any(actor.kind == Session.kind for actor in given) else (*given, Session)
