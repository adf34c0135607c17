"""Users' sessions, one each across devices."""

from greenroom.actors.session.actor import Session

__all__ = ["Session"]
