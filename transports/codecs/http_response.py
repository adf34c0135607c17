"""HTTP/1.1 responses as bytes: whole ones, and the head of one that streams until the connection closes.

RFC 9112 sections 4 (status line) and 6.3 (which responses have a body, and where it ends); the rules of single fields
are those of RFC 9110.
"""

import re
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON: Final = b"application/json"

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\nDate: ".encode()
    for status in HTTPStatus
    if status >= 200
}
_NO_BODY: Final = frozenset((204, 304))  # RFC 9112 section 6.3: they end with their head, whatever it says
# What an answer says is of now and for the asker alone, so no cache keeps it (RFC 9111 section 5.2.2.5); and no browser
# takes it for anything but what it is, whatever somebody has written into it.
_BODY_HEADERS: Final = b"%b\r\nX-Content-Type-Options: nosniff\r\nContent-Type: %b\r\nContent-Length: %d"
_NO_STORE: Final = b"\r\nCache-Control: no-store"  # unless the answer says otherwise, as one with an ETag does
# RFC 9110 sections 5.6.2 (token) and 5.5 (field value): no CR, LF or NUL, which would begin a line of their own.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


def http_date(now_s: float) -> bytes:
    """The value of a Date header (RFC 9110 section 6.6.1, as IMF-fixdate of section 5.6.7) for a Unix time in seconds.
    Callers cache it for its second."""
    return formatdate(now_s, usegmt=True).encode()


def response(
    status: int,
    body: bytes = b"",
    content_type: bytes = JSON,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    date: bytes,
    keep_alive: bool = True,
    head_only: bool = False,
) -> bytes:
    """A whole response. `head_only` answers HEAD (RFC 9110 section 9.3.2): the length of the body, but not the body.

    Raises: ValueError for a header that would break out of its line.
    """
    size = -1 if status in _NO_BODY else len(body)  # RFC 9110 section 8.6: a 204 MUST NOT have a Content-Length
    lines = tuple(headers)
    # Of those with an ETag each is another: remembered, they would put out what comes again.
    after = _after_date.__wrapped__ if lines and any(name == b"ETag" for name, _ in lines) else _after_date
    after_date = after(content_type, size, lines, keep_alive)
    return b"".join((_STATUS_LINES[status], date, after_date, b"" if head_only or size < 0 else body))


def stream_head(
    content_type: bytes, headers: Iterable[tuple[bytes, bytes]] = (), *, date: bytes, status: int = 200
) -> bytes:
    """The head of a response whose body is everything until the connection closes (SSE, HTTP streaming).

    Closing marks the end (RFC 9112 section 6.3, a response without length) rather than chunks, so that subscribers of
    one topic can share the very same bytes.
    Raises: ValueError for a header that would break out of its line.
    """
    return b"".join(
        (
            _STATUS_LINES[status],
            date,
            b"\r\nContent-Type: ",
            content_type,
            b"\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff",
            b"\r\nX-Accel-Buffering: no\r\nConnection: close",  # so that proxies pass it on
            _lines(tuple(headers)),
            b"\r\n\r\n",
        )
    )


@lru_cache(256)  # answers to one command are as a rule of a few lengths
def _after_date(content_type: bytes, size: int, headers: tuple[tuple[bytes, bytes], ...], keep_alive: bool) -> bytes:
    """The rest of the head of a whole response. `size`: bytes of its body, -1 for none."""
    stored = b"" if any(name == b"Cache-Control" for name, _ in headers) else _NO_STORE
    about_body = _BODY_HEADERS % (stored, content_type, size) if size >= 0 else b""
    # RFC 9112 section 9.6: a server that will close SHOULD say so.
    return about_body + _lines(headers) + (b"\r\n\r\n" if keep_alive else b"\r\nConnection: close\r\n\r\n")


def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = []
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise ValueError(f"header {name!r} does not fit in its line")
        lines.append(b"\r\n%b: %b" % (name, value))
    return b"".join(lines)


class HttpDate:
    """The Date header, made once a second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = -1
        self._value = b""

    def value(self) -> bytes:
        now = self._clock()
        if int(now) != self._second:
            self._second = int(now)
            self._value = http_date(now)
        return self._value
