"""HTTP/1.1 responses as bytes: whole ones, and the head of one that streams until the connection closes."""

import re
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON: Final = b"application/json"

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\nDate: ".encode()
    for status in HTTPStatus
    if status >= 200
}
_NO_BODY: Final = frozenset((204, 304))
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


def http_date(now_s: float) -> bytes:
    """The value of a Date header for a Unix time in seconds. Callers cache it for its second."""
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
    """A whole response. `head_only` answers HEAD: the length of the body, but not the body.

    Raises: ValueError for a header that would break out of its line.
    """
    parts = [_STATUS_LINES[status], date]
    if status not in _NO_BODY:
        parts.append(b"\r\nContent-Type: %b\r\nContent-Length: %d" % (content_type, len(body)))
    if headers:
        parts.append(_lines(headers))
    parts.append(b"\r\n\r\n" if keep_alive else b"\r\nConnection: close\r\n\r\n")
    if not head_only and status not in _NO_BODY:
        parts.append(body)
    return b"".join(parts)


def stream_head(
    content_type: bytes, headers: Iterable[tuple[bytes, bytes]] = (), *, date: bytes, status: int = 200
) -> bytes:
    """The head of a response whose body is everything until the connection closes (SSE, HTTP streaming).

    Closing marks the end rather than chunks, so that subscribers of one topic can share the very same bytes.
    Raises: ValueError for a header that would break out of its line.
    """
    return b"".join(
        (
            _STATUS_LINES[status],
            date,
            b"\r\nContent-Type: ",
            content_type,
            b"\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nConnection: close",  # so that proxies pass it on
            _lines(headers),
            b"\r\n\r\n",
        )
    )


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = []
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise ValueError(f"header {name!r} does not fit in its line")
        lines.append(b"\r\n%b: %b" % (name, value))
    return b"".join(lines)
