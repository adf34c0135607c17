"""Why a request is refused before it means anything to anyone: a status and a sentence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transports.http_head import Request


class HttpError(Exception):
    """Answer with `status`, then close: where the next request would start can no longer be trusted.

    `before` holds the requests that the same `feed` had already completed: they have a right to their answers first.
    """

    def __init__(self, status: int, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason  # our own words, never the peer's bytes: safe to send back
        self.headers = headers  # that belong to this status
        self.before: Sequence[Request] = ()
