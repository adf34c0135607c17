"""The head of an HTTP/1.1 request: what its lines say, read line by line.

A head is cut out by whoever collects the bytes (`http_requests.py`), up to its blank line. Each line is read by the
grammar alone, so that what it means can be remembered. Nothing is left behind: no parser for an idle connection, no
state that an `Upgrade: h2c` could confuse.

Sections are those of RFC 9112 (HTTP/1.1) unless RFC 9110 (semantics of HTTP) is named. Where they let a server choose
between repairing and refusing, this one refuses: what two parties could read differently smuggles requests (11.2).
"""

import re
from collections.abc import Callable, Container, Iterable
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from msgspec import Struct

from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number

_HEADERS_MAX: Final = 100  # fields; RFC 9110 section 5.4 leaves the limit to us, RFC 6585 section 5 has the 431
_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}  # the rest is 501 (RFC 9110 section 9.1): CONNECT would need tunnels, and httptools knows RTSP's methods too
# Repeated, these mean that two parties could read the request differently, or be two different people to us. Sections
# 3.2 (Host) and 6.3 (Content-Length), RFC 6455 sections 11.3.1 and 11.3.5 (WebSocket key and version) ask for it.
_ONCE: Final = frozenset(
    (
        b"host",
        b"content-length",
        b"content-type",
        b"authorization",
        b"origin",
        b"expect",
        b"idempotency-key",
        b"last-event-id",
        b"x-greenroom-user",
        b"x-request-timeout",
        b"sec-websocket-key",
        b"sec-websocket-version",
    )
)
# RFC 3986 section 2.1: a percent sign is followed by two hexadecimal digits.
_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Without userinfo, whose use in http URIs RFC 9110 section 4.2.4 deprecates.
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)(?=[/?#]|\Z)", re.IGNORECASE)
# RFC 9110 section 7.2: uri-host [":" port], of RFC 3986 section 3.2.2: a name, an address, or one in brackets. Empty
# where the target has no authority.
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*(?::[0-9]*)?|\[[0-9A-Fa-fVv:.]+\](?::[0-9]*)?"
)
BLANK_LINE: Final = b"\r\n\r\n"
# Section 3: single spaces; the version is missing in HTTP/0.9.
_REQUEST_LINE: Final = re.compile(rb"([A-Z-]+) ([!-~]+)(?: HTTP/([0-9]\.[0-9]))?")
# Section 5, RFC 9110 sections 5.6.2 (token) and 5.5 (field value): no white space before the colon, no CR, LF or NUL.
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
REPEATED_BYTES_MAX: Final = 1024  # of a head that is remembered, as long as its connection lasts, or line by line
REPEATED_MAX: Final = 1024  # lines that are remembered, and as many first ones

Read = TypeVar("Read")


def has_token(value: bytes, token: bytes) -> bool:
    """Whether the list `value` (RFC 9110 section 5.6.1) names `token` (given in lower-case), in any case."""
    value = value.lower()
    return value == token or (b"," in value and token in (part.strip() for part in value.split(b",")))


def query_pairs(query: bytes, *, pairs_max: int = 64) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query string, decoded, in order; empty values kept.

    Raises: HttpError 400 for bad percent-encoding, text that is not UTF-8, or more than `pairs_max` pairs.
    """
    if not query:
        return []
    if _BAD_PERCENT.search(query):
        raise HttpError(400, "bad percent-encoding in the query")
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=pairs_max)
    except UnicodeDecodeError:
        raise HttpError(400, "the query is not UTF-8") from None
    except ValueError:
        raise HttpError(400, f"more than {pairs_max} query parameters") from None


def segments_of(path: bytes) -> list[str]:
    """The decoded segments of a path whose percent-encoding has been checked."""
    text = path.decode()
    parts = text[1:].split("/") if text.startswith("/") else [text]
    return [unquote(part) for part in parts] if "%" in text else parts


class Request(Struct, gc=False):
    """One request. Header names are lower-case; repeated headers are joined: with `, ` (RFC 9110 section 5.3), cookies,
    whose values may hold commas, with `; `."""

    head: bytes  # as it was sent, from the first line through the blank one
    method: str
    target: bytes  # the request target as it was sent
    path: bytes  # without the query, still percent-encoded, which has been checked; `*` for OPTIONS *
    query: bytes  # undecoded: see query_pairs
    version: str  # "1.0" or "1.1"
    headers: dict[bytes, bytes]  # not to be changed: requests with the same head share them
    keep_alive: bool
    body: bytes = b""
    upgrade: bool = False  # asks to become a WebSocket; the decoder's `rest` has what follows
    expects_continue: bool = False
    kept: bool = True  # False: to be handed over, with `raw`
    sent_body: bytes | bytearray = b""  # the body's bytes as they are on the wire

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded segments of the path: `/api/room/a%2Fb` gives ("api", "room", "a/b")."""
        return tuple(segments_of(self.path))

    @property
    def has_body(self) -> bool:
        """Is one announced? Section 6.3."""
        return b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"

    def without(self, names: Container[bytes]) -> bytes:
        """`raw` without the header fields of these names, which are in lower-case."""
        first, *lines = self.head.split(b"\r\n")
        kept = [line for line in lines if line.partition(b":")[0].lower() not in names]
        return b"\r\n".join((first, *kept)) + self.sent_body

    @property
    def raw(self) -> bytes:
        """The exact bytes of the request: head and body, or head and all that was read after it when not `kept`."""
        return self.head + self.sent_body


class _RequestLine(Struct, frozen=True):
    """What the first line of a head says."""

    method: str
    target: bytes
    path: bytes
    query: bytes
    version: str
    authority: bytes | None  # of an absolute target; overrules the Host header (section 3.3)


def _read_request_line(line: bytes) -> _RequestLine:
    """Raises: HttpError."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise HttpError(400, "malformed request")
    method, target, version = found.groups()
    # Section 2.3, RFC 9110 section 15.6.6: a major version that is not spoken here; 0.9 has none.
    if version not in (b"1.1", b"1.0"):
        raise HttpError(505, "only HTTP/1.1 and 1.0 are spoken here")
    known = _METHODS.get(method)
    if known is None:
        raise HttpError(501, "method not implemented")
    path, query, authority = _split_target(known, target)
    return _RequestLine(known, target, path, query, version.decode(), authority)


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    """Name, in lower-case (RFC 9110 section 5.1), and value of a header field. A line that goes on with the one before
    it (section 5.2) is none. Raises: HttpError."""
    found = _FIELD.fullmatch(line)
    if found is None:
        raise HttpError(400, "malformed request")
    name, value = found.groups()
    name = name.lower()
    value = value.strip(b" \t")  # section 5: the white space around a value is no part of it
    if name == b"host" and _HOST.fullmatch(value) is None:  # section 3.2
        raise HttpError(400, "bad Host header")
    # Section 8.6 of RFC 9110: 1*DIGIT. Written otherwise than a number is, others may read another.
    if name == b"content-length" and whole_number(value.decode("latin-1"), most=EXACT_MAX) is None:
        raise HttpError(400, "bad Content-Length")
    return name, value


class _Read(dict[bytes, Read]):
    """What has been read, by its bytes: clients say the same in each head but for a line or two. Begins anew when it is
    full, so that what is said once pushes nothing out for long."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[bytes], Read]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, sent: bytes) -> Read:
        read = self._read(sent)
        if len(self) >= REPEATED_MAX:
            self.clear()
        self[sent] = read
        return read


_request_lines = _Read(_read_request_line)
_field = _Read(_read_field).__getitem__


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Of a head that says something more than once. Raises: HttpError where that could be read in two ways."""
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in headers:
            if name in _ONCE:
                raise HttpError(400, f"more than one {name.decode()} header")
            value = headers[name] + (b"; " if name == b"cookie" else b", ") + value
        headers[name] = value
    return headers


def parse_head(head: bytes) -> Request:
    """A head, from its first line through its blank line, as a request without a body.

    Raises: HttpError 400 malformed, 417 expectation, 431 too many headers, 501 method or transfer coding, 505 version.
    """
    if not head.endswith(BLANK_LINE):
        raise HttpError(400, "malformed request")
    lines = head[:-4].split(b"\r\n")
    first = lines.pop(0)
    if len(lines) > _HEADERS_MAX:
        raise HttpError(431, f"more than {_HEADERS_MAX} headers")
    if len(head) <= REPEATED_BYTES_MAX:
        line, read_field = _request_lines[first], _field
    else:
        line, read_field = _read_request_line(first), _read_field
    headers = dict(map(read_field, lines))
    if len(headers) < len(lines):
        headers = _joined(map(read_field, lines))
    version = line.version
    # Section 3.2: a request of 1.1 without Host MUST be answered 400.
    if b"host" not in headers and version == "1.1":
        raise HttpError(400, "no Host header")
    if line.authority is not None:
        headers[b"host"] = line.authority
    # Section 9.3: 1.1 persists unless told to close. A client of 1.0 would have to be told "keep-alive" in the answer:
    # closing is always right.
    request = Request(head, line.method, line.target, line.path, line.query, version, headers, version == "1.1")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        # Section 6.1: with both lengths, or with a coding in 1.0, the framing is suspect; section 6.3 lets us refuse.
        if b"content-length" in headers or version == "1.0":
            raise HttpError(400, "body length is ambiguous")
        # Section 6.1: 501 for a coding that is not understood, and chunked MUST NOT be applied twice. Codings are
        # case-insensitive (section 7).
        coding = coding.lower()
        if coding.count(b"chunked") > 1:
            raise HttpError(400, "chunked more than once")
        if coding != b"chunked":
            raise HttpError(501, "only the transfer coding chunked is implemented")
    # RFC 9110 section 10.1.1: 417 for any other expectation; from a client of 1.0 it is ignored.
    expect = headers.get(b"expect")
    if expect is not None and version == "1.1":
        if expect.lower() != b"100-continue":
            raise HttpError(417, "unknown expectation")
        request.expects_continue = True
    connection = headers.get(b"connection")
    if connection is not None:
        _heed(connection.lower(), request)
    return request


def _heed(connection: bytes, request: Request) -> None:
    """What Connection, here in lower-case, asks for. Raises: HttpError."""
    if connection == b"keep-alive":  # what is done anyway
        return
    # Section 9.6: `close` means that no other request follows.
    if has_token(connection, b"close"):
        request.keep_alive = False
    # RFC 9110 section 7.8: Upgrade counts only when Connection names it, and never from a client of 1.0.
    headers = request.headers
    if (
        b"upgrade" in headers
        and request.version == "1.1"
        and has_token(connection, b"upgrade")
        and has_token(headers[b"upgrade"], b"websocket")
    ):
        if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
            raise HttpError(400, "a request to upgrade cannot have a body")
        request.upgrade = True


def _split_target(method: str, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Path, query, authority. The forms: origin (section 3.2.1), absolute (3.2.2), asterisk (3.2.4, of OPTIONS alone).
    The authority form (3.2.3) belongs to CONNECT."""
    local = target
    authority = None
    if not target.startswith(b"/"):
        if target == b"*" and method == "OPTIONS":
            return target, b"", None
        found = _ABSOLUTE.match(target)
        if found is None or _HOST.fullmatch(found[1]) is None:
            raise HttpError(400, "bad request target")
        authority = found[1]
        local = target[found.end() :]
        if not local.startswith(b"/"):
            local = b"/" + local
    # Section 3.2.1: path and query only; a fragment is never sent.
    if b"#" in local:
        raise HttpError(400, "bad request target")
    path, _, query = local.partition(b"?")
    if b"%" in local:
        if _BAD_PERCENT.search(local):
            raise HttpError(400, "bad percent-encoding")
        try:
            unquote_to_bytes(path).decode()
        except UnicodeDecodeError:
            raise HttpError(400, "the path is not UTF-8") from None
    return path, query, authority
