"""HTTP/1.1 requests without a socket: bytes in, requests out, in order, however the network cuts them.

A head is cut out here (up to its blank line) and then read line by line, each by the grammar alone, so that what a line
means can be remembered. Nothing is left behind: no parser for an idle connection, no state that an `Upgrade: h2c` could
confuse.

The gate decides about a request when its head is whole, through `keep`: a kept request comes with its whole body,
bounded; any other comes at once, with all the bytes read so far in `raw`, and then its socket is someone else's.

Sections are those of RFC 9112 (HTTP/1.1) unless RFC 9110 (semantics of HTTP) is named. Where they let a server choose
between repairing and refusing, this one refuses: what two parties could read differently smuggles requests (11.2).
"""

import re
from collections.abc import Callable, Container, Iterable
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from msgspec import Struct
from msgspec.structs import replace

from greenroom.transports.codecs.chunked_body import ChunkedBody
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
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)", re.IGNORECASE)
# RFC 9110 section 7.2: uri-host [":" port], of RFC 3986 section 3.2.2: a name, an address, or one in brackets. Empty
# where the target has no authority.
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*(?::[0-9]*)?|\[[0-9A-Fa-fVv:.]+\](?::[0-9]*)?"
)
_BLANK_LINE: Final = b"\r\n\r\n"
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
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
    if not head.endswith(_BLANK_LINE):
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
    if b"host" not in headers:
        if version == "1.1":
            raise HttpError(400, "no Host header")
    elif line.authority is not None:
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
        if buffer.find(_BLANK_LINE, self._scan_from) >= 0 or _BARE_LF.search(buffer, self._scan_from) is not None:
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
                    end = data.find(_BLANK_LINE, at) + 4
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
        self._scan_from = max(0, len(data) - 3) if _BLANK_LINE not in data else 0

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
        end = data.find(_BLANK_LINE, at)
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
