"""Why a request is refused before it means anything to anyone: a status and a sentence."""


class HttpError(Exception):
    """Answer with `status`, then close: where the next request would start can no longer be trusted."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason  # our own words, never the peer's bytes: safe to send back
        self.headers = headers  # headers that this status wants, such as Allow
