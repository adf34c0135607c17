"""The identity domain: users' sessions, one each across devices. Other domains speak to it by these messages."""

from greenroom.actors.identity.session import Read, Session, SignOut
from greenroom.actors.model.notice import Push, Pushed

__all__ = ["Push", "Pushed", "Read", "Session", "SignOut"]
