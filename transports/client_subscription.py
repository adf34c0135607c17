"""One client's subscription to one topic, and the JSON framing that all WebSocket subscribers of a topic share."""

from typing import TYPE_CHECKING

from actors.principal import Principal
from transports.client_messages import Disconnect
from transports.hub import Encoding, Publication, Topic
from transports.publication import push_prefix
from transports.websocket import text_frame

if TYPE_CHECKING:
    from transports.client_session import ClientSession


FRAME_BYTES_MAX = 256 * 1024  # clients have a limit too: Python's refuses a message over 1 MiB


def _in_frames(pushes: list[bytes]) -> bytes:
    """Several frames for a batch that is too long for one; a single push that is too long stays alone."""
    frames: list[bytes] = []
    begin, size = 0, 0
    for number, push in enumerate(pushes):
        if size + len(push) > FRAME_BYTES_MAX and number > begin:
            frames.append(text_frame(b"\n".join(pushes[begin:number])))
            begin, size = number, 0
        size += len(push) + 1
    frames.append(text_frame(b"\n".join(pushes[begin:])))
    return b"".join(frames)


class JsonEncoding:
    """Pushes of the client protocol, a line each, as one WebSocket text frame."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        prefix = push_prefix(channel)
        pushes = [b"%b%b}}" % (prefix, publication.json) for publication in batch]
        frame = text_frame(b"\n".join(pushes))
        return frame if len(frame) <= FRAME_BYTES_MAX else _in_frames(pushes)

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return text_frame(b'%b{"data":%b}}}' % (push_prefix(channel), data))

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        prefix = push_prefix(channel).removesuffix(b'"pub":')
        return text_frame(b'%b"%b":{"info":%b}}}' % (prefix, kind.encode(), info))


class ClientSubscription:
    __slots__ = ("_session", "_topic", "expires_at", "server_side", "wants_joins")

    encoding: type[Encoding] = JsonEncoding

    def __init__(self, session: "ClientSession", topic: Topic, *, wants_joins: bool, server_side: bool) -> None:
        self._session = session
        self._topic = topic
        self.wants_joins = wants_joins
        self.server_side = server_side  # the client did not ask for it: its end is the connection's end
        self.expires_at: int | None = None  # Unix s, of the subscription token

    @property
    def principal(self) -> Principal:
        return self._session.principal

    @property
    def channel(self) -> str:
        return self._topic.entity

    def deliver(self, batch: bytes, last_offset: int) -> None:
        self._session.carrier.send_pushes(batch)

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        self._session.carrier.send_ephemeral(piece, key)

    def kicked(self, code: int, reason: str) -> None:
        if code < 3000:
            self._session.drop_subscription(self, code, reason)
        else:
            self._session.disconnect(Disconnect(code, reason))

    def epoch_changed(self) -> None:
        self._session.drop_subscription(self, 2500, "insufficient state")

    def detach(self) -> None:
        self._session.services.hub.detach(self._topic, self)
