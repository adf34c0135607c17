"""The chunked transfer coding, RFC 9112 section 7.1: a body whose length shows only at its end.

Strict where leniency has been used to smuggle requests (section 11.2): sizes are bare hexadecimal digits, every line
ends in CRLF.
Extensions and trailers are checked for form, bounded and dropped.
"""

import re
from typing import Final

from greenroom.transports.codecs.http_error import HttpError

_LINE_BYTES_MAX: Final = 1_024  # a size with its extensions, or a trailer
_EXTRAS_BYTES_MAX: Final = 4_096  # extensions and trailers of the whole body: section 7.1.1 asks for a limit
# Section 7.1: chunk-size is 1*HEXDIG. Its grammar has no sign, no 0x and no space; 15 digits keep it within 60 bits.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class ChunkedBody:
    """Bytes in, until the body is whole. `body` is what has arrived of it, `sent` the same as it was on the wire."""

    __slots__ = ("_body_bytes_max", "_extras_bytes", "_in_trailers", "_left", "_rest", "body", "sent")

    def __init__(self, *, body_bytes_max: int) -> None:
        self.body = bytearray()
        self.sent = bytearray()
        self._body_bytes_max = body_bytes_max
        self._rest = b""  # an unfinished line, or one byte of the CRLF that ends a chunk
        self._left = 0  # bytes still to come of the present chunk, its CRLF included
        self._in_trailers = False
        self._extras_bytes = 0

    def feed(self, data: bytes) -> bytes | None:
        """What follows the body in `data` once the body is whole, None before.

        Raises: HttpError 400 for bad framing, 413 for a body over its bound (by its chunk sizes, before buffering),
        431 for too many trailers or extensions.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at = 0
        while at < len(data):
            if self._left > 2:
                piece = data[at : at + self._left - 2]
                self.body += piece
                at += len(piece)
                self._left -= len(piece)
            elif self._left == 2:
                if len(data) - at < 2 and data[at] == 0x0D:
                    break
                # Section 7.1: chunk-data is followed by CRLF. After a lone LF two parties may disagree.
                if not data.startswith(b"\r\n", at):
                    raise HttpError(400, "chunk without its CRLF")
                at += 2
                self._left = 0
            else:
                end = data.find(b"\r\n", at)
                if (end if end >= 0 else len(data)) - at > _LINE_BYTES_MAX:
                    raise HttpError(431, "chunk line too long")
                if end < 0:
                    break
                line = data[at:end]
                at = end + 2
                if not self._in_trailers:
                    self._take_size(line)
                elif line:
                    self._take_trailer(line)
                else:
                    self.sent += data[:at]
                    return data[at:]
        self.sent += data[:at]
        self._rest = data[at:]
        return None

    def _take_size(self, line: bytes) -> None:
        """Section 7.1: the size, then extensions, which 7.1.1 lets a recipient ignore. A size of 0 ends the data."""
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise HttpError(400, "bad chunk size")
        self._count_extras(len(line) - len(found[1]))
        size = int(found[1], 16)
        if len(self.body) + size > self._body_bytes_max:
            raise HttpError(413, f"body over {self._body_bytes_max} bytes")
        if size:
            self._left = size + 2
        else:
            self._in_trailers = True

    def _take_trailer(self, line: bytes) -> None:
        """Section 7.1.2: trailers have the form of header fields, and a recipient may discard them. Merged into the
        headers, as that section warns, they could overrule what the request was admitted for."""
        if _TRAILER.fullmatch(line) is None:
            raise HttpError(400, "bad trailer")
        self._count_extras(len(line))

    def _count_extras(self, count: int) -> None:
        self._extras_bytes += count
        if self._extras_bytes > _EXTRAS_BYTES_MAX:
            raise HttpError(431, "too many chunk extensions or trailers")
