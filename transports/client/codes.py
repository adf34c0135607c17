"""The codes of the client protocol: why a command failed, and why a connection ends.

Values, not exceptions: an exception object that is raised again and again keeps the frames of each raise, and with them
sessions and sockets. Whoever fails raises a new `ClientError` or `Disconnect` that carries one of these.
Source: https://centrifugal.dev/docs/server/codes
"""

from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

encode = msgspec.json.encode

REASON_MAX = 120  # characters; a close frame holds 123 bytes, and cuts what is longer between two characters


class ErrorCode(Struct, frozen=True):
    """Of an error reply: that command failed, the connection goes on."""

    code: int
    message: str
    temporary: bool = False  # can sending the same command again succeed?

    def reply(self, command_id: int) -> bytes:
        temporary = b',"temporary":true' if self.temporary else b""
        return b'{"id":%d,"error":{"code":%d,"message":%b%b}}' % (
            command_id,
            self.code,
            encode(self.message),
            temporary,
        )


class DisconnectCode(Struct, frozen=True):
    """Of an end: by its range the SDK knows whether to come back (3000 to 3499, 4000 to 4499) or not."""

    code: int
    reason: str


Code = TypeVar("Code", bound=ErrorCode | DisconnectCode)


def said(code: Code, why: object) -> Code:
    """`code` with a sentence that helps whoever develops the client. It goes to the peer: no secrets, none of ours."""
    if isinstance(code, ErrorCode):
        return replace(code, message=f"{code.message}: {why}")
    return replace(code, reason=f"{code.reason}: {why}"[:REASON_MAX])


INTERNAL = ErrorCode(100, "internal server error", temporary=True)
UNAUTHORIZED = ErrorCode(101, "unauthorized")
UNKNOWN_CHANNEL = ErrorCode(102, "unknown channel")
PERMISSION_DENIED = ErrorCode(103, "permission denied")
METHOD_NOT_FOUND = ErrorCode(104, "method not found")
ALREADY_SUBSCRIBED = ErrorCode(105, "already subscribed")
LIMIT_EXCEEDED = ErrorCode(106, "limit exceeded")
BAD_REQUEST = ErrorCode(107, "bad request")
NOT_AVAILABLE = ErrorCode(108, "not available")
TOKEN_EXPIRED = ErrorCode(109, "token expired")
EXPIRED = ErrorCode(110, "expired")
TOO_MANY_REQUESTS = ErrorCode(111, "too many requests", temporary=True)
UNRECOVERABLE = ErrorCode(112, "unrecoverable position")

SHUTDOWN = DisconnectCode(3001, "shutdown")
CONNECTION_EXPIRED = DisconnectCode(3005, "connection expired")
BROKEN = DisconnectCode(3004, "internal server error")
SLOW = DisconnectCode(3008, "slow")
INSUFFICIENT_STATE = DisconnectCode(3010, "insufficient state")
NO_PONG = DisconnectCode(3012, "no pong")
INVALID_TOKEN = DisconnectCode(3500, "invalid token")
BAD_COMMAND = DisconnectCode(3501, "bad request")
STALE = DisconnectCode(3502, "stale")
CHANNEL_LIMIT = DisconnectCode(3505, "channel limit")
NOT_PERMITTED = DisconnectCode(3507, "permission denied")
SEND_NOT_AVAILABLE = DisconnectCode(3508, "not available")
