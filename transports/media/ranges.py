"""Which bytes of a file a request is for. RFC 9110, sections 13 and 14."""

import re
from collections.abc import Mapping

from msgspec import Struct

_RANGE = re.compile(rb"bytes=\s*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))\s*")


class Wanted(Struct, frozen=True):
    """What to answer: 200 with all of it, 206 with some, 304 with nothing, or 416."""

    status: int
    first: int
    size: int


def wanted(headers: Mapping[bytes, bytes], *, size: int, etag: bytes) -> Wanted:
    """Of a file of `size` bytes. Of several ranges, and of what is no range, all of it is sent: a client has to bear
    that anyway."""
    if matches(headers.get(b"if-none-match", b""), etag):
        return Wanted(304, 0, 0)
    found = _RANGE.fullmatch(headers.get(b"range", b""))
    if found is None or headers.get(b"if-range", etag) != etag:
        return Wanted(200, 0, size)
    first, last, suffix = found.groups()
    if suffix is not None:
        begin, end = max(0, size - int(suffix)), size
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return Wanted(200, 0, size)  # no range at all
    if begin >= end:
        return Wanted(416, 0, 0)
    return Wanted(206, begin, end - begin)


def matches(header: bytes, etag: bytes) -> bool:
    """Is it among those of `If-None-Match`, compared weakly?"""
    tags = [tag.strip().removeprefix(b"W/") for tag in header.split(b",")]
    return etag in tags or tags == [b"*"]
