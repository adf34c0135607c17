"""HTTP/1.1 requests without a socket: bytes in, requests out, in order, however the network cuts them.

The gate decides about a request when its head is whole, through `keep`: a kept request comes with its whole body,
bounded; any other comes at once, with all the bytes read so far in `raw`, and then its socket is someone else's.

Sections are those of RFC 9112 (HTTP/1.1) unless RFC 9110 (semantics of HTTP) is named. What a head says, `http_head.py`
reads.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from greenroom.transports.codecs.chunked_body import ChunkedBody
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import BLANK_LINE, REPEATED_BYTES_MAX, Request, parse_head

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


def _keep_all(request: Request) -> bool:
    return True


class BrokenRequest(HttpError):
    """`before` holds the requests that the same `feed` had completed already: they are to be answered first."""

    def __init__(self, error: HttpError, before: list[Request]) -> None:
        super().__init__(error.status, error.reason, error.headers)
        self.before = before


class RequestDecoder:
    """The requests of one connection. Ends (`finished`) with one that upgrades or is not kept, or with an error."""

    __slots__ = (
        "_body_bytes_max",
        "_broken",
        "_buffer",
        "_chunked",
        "_continue_told",
        "_head_bytes_max",
        "_keep",
        "_last",
        "_last_head",
        "_last_length",
        "_length",
        "_request",
        "_scan_from",
        "finished",
        "rest",
    )

    def __init__(
        self, keep: Callable[[Request], bool] = _keep_all, *, head_bytes_max: int = 16_384, body_bytes_max: int = 65_536
    ) -> None:
        self._keep = keep
        self._head_bytes_max = head_bytes_max
        self._body_bytes_max = body_bytes_max
        self._buffer: bytearray | None = None  # an unfinished head or body
        self._scan_from = 0  # where in the buffer the end of the head may begin
        self._request: Request | None = None  # its head is whole, its body is not
        self._length = 0  # bytes in its body
        self._last_head: bytes | None = None  # the last that was parsed, when the next may be the same
        self._last: Request | None = None  # what such a head that has come twice says; without a body
        self._last_length = 0  # bytes in the body that it announced
        self._chunked: ChunkedBody | None = None
        self._continue_told = False
        self._broken = False
        self.finished = False  # no request will follow
        self.rest = b""  # what was fed beyond the request that finished it and is not in that request's `raw`

    @property
    def awaiting(self) -> Request | None:
        """The kept request whose body is still arriving."""
        return self._request

    @property
    def idle(self) -> bool:
        """Between two requests: nothing has arrived of the next one."""
        return self._request is None and self._buffer is None

    @property
    def held_bytes(self) -> int:
        """Of heads, and of requests for which there was no place; of what follows the last one, once `finished`."""
        if self._buffer is not None and self._request is None:
            return len(self._buffer)
        return len(self.rest) if self.finished else 0

    def take_continue(self) -> bool:
        """True once for a request that waits for `100 Continue` before it sends its body. RFC 9110 section 10.1.1 lets
        it go unsaid when some of the body has arrived."""
        request = self._request
        if request is None or self._continue_told or not request.expects_continue:
            return False
        self._continue_told = True
        return self._buffer is None and (self._chunked is None or not self._chunked.sent)

    def feed(self, data: bytes | memoryview, *, most: int = 1_000_000) -> list[Request]:
        """The requests that `data` completes, in order; [] when more bytes are needed, or once `finished`. Those beyond
        `most` stay here as bytes until `feed` is called again, perhaps with none.

        Raises: BrokenRequest, as parse_head does and 413 or 431 for what is over a bound.
        """
        if type(data) is not bytes:
            data = bytes(data)
        last = self._last
        if (
            last is not None
            and data.startswith(last.head)
            and len(data) == len(last.head) + self._last_length
            and self.idle
            and not self.finished
            and most > 0
        ):  # the same as before and nothing else
            request = replace(last)
            if self._last_length:
                request.body = request.sent_body = data[len(last.head) :]
            return [request]
        requests: list[Request] = []
        if self.finished:
            if not self._broken:
                self.rest += data
            return requests
        if self._buffer is not None:
            self._buffer += data
            if most <= 0:
                return requests
            if self._still_unfinished(self._buffer):
                return requests
            data = bytes(self._buffer)
            self._buffer = None
        try:
            self._take_requests(data, requests, most)
        except HttpError as error:
            self.finished = self._broken = True
            self._request = self._chunked = None
            raise BrokenRequest(error, requests) from None
        return requests

    def _still_unfinished(self, buffer: bytearray) -> bool:
        """Whether nothing can be said yet, found out without a copy: a peer may send a byte at a time."""
        if self._request is not None:
            return len(buffer) < self._length
        if len(buffer) > self._head_bytes_max or buffer[0] == 0x0D:
            return False
        if buffer.find(BLANK_LINE, self._scan_from) >= 0 or _BARE_LF.search(buffer, self._scan_from) is not None:
            return False
        self._scan_from = max(0, len(buffer) - 3)
        return True

    def _take_requests(self, data: bytes, requests: list[Request], most: int) -> None:
        at, size = 0, len(data)
        while True:
            request = self._request
            if request is None:
                if at == size:
                    return
                if len(requests) >= most:
                    self._hold(data[at:])
                    return
                last = self._last
                if last is not None and data.startswith(last.head, at):
                    # The same bytes mean the same: nothing in a head depends on what came before it.
                    at += len(last.head)
                    request = replace(last)
                    self._length = self._last_length
                    self._continue_told = False
                else:
                    end = data.find(BLANK_LINE, at) + 4
                    if not (3 < end <= at + self._head_bytes_max and 0x41 <= data[at] <= 0x5A):
                        at, end = self._find_head(data, at)
                        if end < 0:
                            if at < size:
                                self._hold(data[at:])
                            return
                    request = parse_head(data[at:end])
                    at = end
                    request.kept = kept = self._keep(request)
                    if request.upgrade or not kept:
                        self.finished = True
                        if kept:
                            self.rest = data[at:]
                        else:
                            request.sent_body = data[at:]
                        requests.append(request)
                        return
                    self._expect_body(request)
            if self._chunked is not None:
                rest = self._chunked.feed(data[at:])
                if rest is None:
                    self._request = request
                    return
                request.body = bytes(self._chunked.body)
                request.sent_body = self._chunked.sent
                self._chunked = None
                data, at, size = rest, 0, len(rest)
            elif self._length:
                end = at + self._length
                if end > size:
                    if at < size:
                        self._buffer = bytearray(data[at:])
                    self._request = request
                    return
                request.body = request.sent_body = data[at:end]
                at = end
            self._request = None
            requests.append(request)

    def _hold(self, data: bytes) -> None:
        """The beginning of a head, or of requests for which there is no place yet."""
        self._buffer = bytearray(data)
        self._scan_from = max(0, len(data) - 3) if BLANK_LINE not in data else 0

    def _find_head(self, data: bytes, at: int) -> tuple[int, int]:
        """Where in `data`, from `at`, a head begins and ends that does not begin at once, or is not there in whole, or
        is none; the end is -1 when more has to come. Raises: HttpError."""
        while data.startswith(b"\r\n", at):  # section 2.2: some clients send one too many
            at += 2
        if at == len(data):
            return at, -1
        # The letter of a method, or half of a blank line. Anything else (TLS to a plain port) is told at once.
        if not (0x41 <= data[at] <= 0x5A or (data[at] == 0x0D and at + 1 == len(data))):
            raise HttpError(400, "malformed request")
        end = data.find(BLANK_LINE, at)
        if (end + 4 if end >= 0 else len(data)) - at > self._head_bytes_max:
            raise HttpError(431, f"head over {self._head_bytes_max} bytes")
        if end >= 0:
            return at, end + 4
        # Section 2.2 lets a lone LF end a line; we refuse it, as half of what smuggling needs. Looked for here too,
        # since "\n\n" would wait for its end for ever.
        if _BARE_LF.search(data, at) is not None:
            raise HttpError(400, "malformed request")
        return at, -1

    def _expect_body(self, request: Request) -> None:
        """Section 6.3: Transfer-Encoding, else Content-Length, else there is no body.

        Clients ask the same again and again, so a head that has come twice is not parsed once more.
        """
        self._continue_told = False
        length = 0
        headers = request.headers
        if b"transfer-encoding" in headers:
            self._chunked = ChunkedBody(body_bytes_max=self._body_bytes_max)
        else:
            announced = headers.get(b"content-length")
            if announced is not None:
                length = int(announced)
                if length > self._body_bytes_max:
                    raise HttpError(413, f"body over {self._body_bytes_max} bytes")
            head = request.head
            if len(head) <= REPEATED_BYTES_MAX:
                if head == self._last_head:
                    self._last, self._last_length = replace(request), length
                self._last_head = head
        self._length = length
