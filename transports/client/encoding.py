"""How a topic's publications look to WebSocket clients: JSON frames, made once and shared by all its subscribers."""

from greenroom.transports.codecs.websocket import text_frame
from greenroom.transports.hub.encoding import ViewsAlone
from greenroom.transports.hub.publication import Publication, push_prefix

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


class JsonViews(ViewsAlone, JsonEncoding):
    """Views as publications, for who watches these alone."""

    @staticmethod
    def view(channel: str, epoch: str, offset: int, view: bytes) -> bytes:
        return text_frame(b"%b%b}}" % (push_prefix(channel), Publication.of_view(view, epoch, offset).json))
