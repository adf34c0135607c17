"""Cursors: a place in a page of a view, as a text that only whoever made it understands.

    base64url(6 bytes of BLAKE2b, keyed by what the cursor is for; the place as a JSON array)

A cursor is no secret, and opens nothing: whoever makes one up reads from another place what they may read anyway. It is
checked so that one of another view, page or filter is refused with its name, rather than answered with rows that were
not meant; and what it holds is decoded as the columns' types, so nothing else of it ever reaches the database.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

CHECK_BYTES = 6
CURSOR_MAX = 24_576  # characters; a place is a few columns of one row, INDEXED_BYTES_MAX at most


class BadCursor(Exception):
    """It is none, or of something else."""


class Cursors:
    """Those of one thing that can be gone through: `purpose` says of what, and `types` what a place consists of."""

    def __init__(self, purpose: Sequence[str], types: Sequence[Any]) -> None:
        """`purpose`: the names of view, page, order, filters: whatever must be the same when one goes on."""
        self._key = blake2b(msgspec.json.encode(list(purpose)), digest_size=32).digest()
        self._decode = msgspec.json.Decoder(tuple[tuple(types)]).decode  # type: ignore[misc]

    def encode(self, place: Sequence[Any]) -> str:
        body = msgspec.json.encode(list(place))
        return urlsafe_b64encode(self._check(body) + body).rstrip(b"=").decode()

    def decode(self, cursor: str) -> tuple[Any, ...]:
        """The place. Raises: BadCursor."""
        if not cursor or len(cursor) > CURSOR_MAX or not cursor.isascii():
            raise BadCursor
        try:
            whole = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise BadCursor from None
        check, body = whole[:CHECK_BYTES], whole[CHECK_BYTES:]
        if check != self._check(body) or urlsafe_b64encode(whole).rstrip(b"=").decode() != cursor:
            raise BadCursor
        try:
            place: tuple[Any, ...] = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BadCursor from None
        return place

    def _check(self, body: bytes) -> bytes:
        return blake2b(body, key=self._key, digest_size=CHECK_BYTES).digest()
