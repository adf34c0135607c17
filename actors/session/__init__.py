"""Users' sessions, one each across devices."""

from actors.session.actor import Session

__all__ = ["Session"]
