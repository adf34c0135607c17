"""Users' sessions, one each across devices."""

from greenroom.actors.identity.session.actor import Session

__all__ = ["Session"]
