"""How a topic's publications become bytes, once for all who use the same encoding."""

from typing import Protocol

from greenroom.transports.hub.publication import Publication


class Encoding(Protocol):
    """One way of putting a topic's publications into bytes, shared by all subscribers that use it; b"" for what they
    are not to get."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes: ...

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes: ...

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        """A join or leave (`kind`) of the client with this JSON ClientInfo; b"" where it is not shown."""


class ViewsAlone:
    """For an encoding of views: who watches these is told nothing of events."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        return b""

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b""


class Nothing(ViewsAlone):
    """For who watches only to be told to stop: nobody is shown that they are there, either."""

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""
