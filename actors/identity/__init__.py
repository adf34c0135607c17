"""The identity domain: users' sessions, one each across devices. Other domains speak to it by these messages."""

from greenroom.actors.identity.session import Push, Pushed, Read, Session, SignOut

__all__ = ["Push", "Pushed", "Read", "Session", "SignOut"]
