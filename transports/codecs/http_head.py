"""HTTP/1.1 requests without a socket: bytes in, requests out, in order, however the network cuts them.

A head is cut out here (up to its blank line) and then parsed by httptools, strictly, in one go. A parser per head costs
0.2 µs and leaves nothing behind: no parser for an idle connection, no state that an `Upgrade: h2c` could confuse.

The gate decides about a request when its head is whole, through `keep`: a kept request comes with its whole body,
bounded; any other comes at once, with all the bytes read so far in `raw`, and then its socket is someone else's.

Sections are those of RFC 9112 (HTTP/1.1) unless RFC 9110 (semantics of HTTP) is named. Where they let a server choose
between repairing and refusing, this one refuses: what two parties could read differently smuggles requests (11.2).
"""

import re
from collections.abc import Callable, Container
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
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
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
REPEATED_BYTES_MAX: Final = 1024  # of a head that is remembered, as long as its connection lasts


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


@lru_cache(256)  # a node has few names
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


class _HeadFields:
    """What httptools calls while it parses one head."""

    __slots__ = ("complete", "count", "headers", "refused", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.count = 0
        self.refused: HttpError | None = None  # kept, not raised: httptools would wrap it
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()  # RFC 9110 section 5.1: field names are case-insensitive
        value = value.rstrip(b" \t")  # section 5.1: the white space around a value is no part of it
        self.count += 1
        if name in self.headers:
            if name in _ONCE:
                self.refused = HttpError(400, f"more than one {name.decode()} header")
            value = self.headers[name] + (b"; " if name == b"cookie" else b", ") + value
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        self.complete = True


def parse_head(head: bytes) -> Request:
    """A head, from its first line through its blank line, as a request without a body.

    Raises: HttpError 400 malformed, 417 expectation, 431 too many headers, 501 method or transfer coding, 505 version.
    """
    fields = _HeadFields()
    parser = HttpRequestParser(fields)
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        pass  # whether to upgrade is decided below
    except HttpParserError:
        # A coding that httptools does not know looks like any other mistake to it, and comes after the headers.
        if fields.refused is None and not fields.complete:
            raise HttpError(400, "malformed request") from None
    if fields.refused is not None:
        raise fields.refused
    if fields.count > _HEADERS_MAX:
        raise HttpError(431, f"more than {_HEADERS_MAX} headers")
    # Section 2.3, RFC 9110 section 15.6.6: a major version that is not spoken here.
    line_end = head.find(b"\r\n")  # -1 where the head is none, which has no version either
    version = "1.1" if head.endswith(b" HTTP/1.1", 0, line_end) else parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise HttpError(505, "only HTTP/1.1 and 1.0 are spoken here")
    method = _METHODS.get(parser.get_method())
    if method is None:
        raise HttpError(501, "method not implemented")
    # Section 3: single spaces. httptools takes more of them, where others would not.
    if head.count(b" ", 0, line_end) != 2:
        raise HttpError(400, "malformed request")
    headers = fields.headers
    # Section 3.2: a Host whose value is invalid MUST be answered 400; of an absolute target likewise.
    host = headers.get(b"host")
    if host is not None and not _is_host(host):
        raise HttpError(400, "bad Host header")
    path, query = _split_target(method, fields.target, headers)
    # Section 9.3: 1.1 persists unless told to close. A client of 1.0 would have to be told "keep-alive" in the answer:
    # closing is always right.
    request = Request(head, method, fields.target, path, query, version, headers, version == "1.1")
    # Section 3.2: a request of 1.1 without Host MUST be answered 400; the second Host was refused above.
    if version == "1.1" and b"host" not in headers:
        raise HttpError(400, "no Host header")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        # Section 6.1: with both lengths, or with a coding in 1.0, the framing is suspect; section 6.3 lets us refuse.
        if b"content-length" in headers or version == "1.0":
            raise HttpError(400, "body length is ambiguous")
        # Section 6.1: 501 for a coding that is not understood. Codings are case-insensitive (section 7).
        if coding.lower() != b"chunked":
            raise HttpError(501, "only the transfer coding chunked is implemented")
    if not fields.complete:
        raise HttpError(400, "malformed request")
    # RFC 9110 section 10.1.1: 417 for any other expectation; from a client of 1.0 it is ignored.
    expect = headers.get(b"expect")
    if expect is not None and version == "1.1":
        if expect.lower() != b"100-continue":
            raise HttpError(417, "unknown expectation")
        request.expects_continue = True
    connection = headers.get(b"connection")
    if connection is not None:
        # Section 9.6: `close` means that no other request follows.
        if has_token(connection, b"close"):
            request.keep_alive = False
        # RFC 9110 section 7.8: Upgrade counts only when Connection names it, and never from a client of 1.0.
        if (
            version == "1.1"
            and has_token(connection, b"upgrade")
            and has_token(headers.get(b"upgrade", b""), b"websocket")
        ):
            if coding is not None or headers.get(b"content-length", b"0") != b"0":
                raise HttpError(400, "a request to upgrade cannot have a body")
            request.upgrade = True
    return request


def _split_target(method: str, target: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """Path and query. The forms: origin (section 3.2.1), absolute (3.2.2), asterisk (3.2.4, of OPTIONS alone). The
    authority form (3.2.3) belongs to CONNECT. An absolute target overrules the Host header (section 3.3)."""
    local = target
    if not target.startswith(b"/"):
        if target == b"*" and method == "OPTIONS":
            return target, b""
        found = _ABSOLUTE.match(target)
        if found is None or not _is_host(found[1]):
            raise HttpError(400, "bad request target")
        if b"host" in headers:
            headers[b"host"] = found[1]
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
    return path, query


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
        self._last: Request | None = None  # the head before this one, if the next may be the same; without a body
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
        requests: list[Request] = []
        if type(data) is not bytes:
            data = bytes(data)
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
        if buffer.find(b"\r\n\r\n", self._scan_from) >= 0 or _BARE_LF.search(buffer, self._scan_from) is not None:
            return False
        self._scan_from = max(0, len(buffer) - 3)
        return True

    def _take_requests(self, data: bytes, requests: list[Request], most: int) -> None:
        at = 0
        while True:
            if self._request is None:
                if at == len(data):
                    return
                if len(requests) >= most:
                    self._buffer = bytearray(data[at:])
                    self._scan_from = 0
                    return
                last = self._last
                if last is not None and data.startswith(last.head, at):
                    # The same bytes mean the same: nothing in a head depends on what came before it.
                    at += len(last.head)
                    self._request = replace(last)
                    self._length = self._last_length
                    self._continue_told = False
                else:
                    while data.startswith(b"\r\n", at):  # section 2.2: some clients send one too many
                        at += 2
                    end = self._find_head_end(data, at)
                    if end < 0:
                        if at < len(data):
                            self._buffer = bytearray(data[at:])
                            self._scan_from = max(0, len(data) - at - 3)
                        return
                    head = parse_head(data[at:end])
                    at = end
                    head.kept = self._keep(head)
                    if head.upgrade or not head.kept:
                        self.finished = True
                        if head.kept:
                            self.rest = data[at:]
                        else:
                            head.sent_body = data[at:]
                        requests.append(head)
                        return
                    self._expect_body(head)
                    self._remember(head)
            assert self._request is not None
            request = self._request
            if self._chunked is not None:
                rest = self._chunked.feed(data[at:])
                if rest is None:
                    return
                request.body = bytes(self._chunked.body)
                request.sent_body = self._chunked.sent
                self._chunked = None
                data, at = rest, 0
            elif self._length:
                end = at + self._length
                if end > len(data):
                    if at < len(data):
                        self._buffer = bytearray(data[at:])
                    return
                request.body = request.sent_body = data[at:end]
                at = end
            self._request = None
            requests.append(request)

    def _remember(self, head: Request) -> None:
        """Clients ask the same again and again, so a head that comes once more is not parsed once more."""
        if self._chunked is None and len(head.head) <= REPEATED_BYTES_MAX:
            self._last, self._last_length = replace(head), self._length

    def _find_head_end(self, data: bytes, at: int) -> int:
        """Where the head that begins at `at` ends, -1 when it hasn't yet."""
        if at == len(data):
            return -1
        # The letter of a method, or half of a blank line. Anything else (TLS to a plain port) is told at once.
        if not (0x41 <= data[at] <= 0x5A or (data[at] == 0x0D and at + 1 == len(data))):
            raise HttpError(400, "malformed request")
        end = data.find(b"\r\n\r\n", at)
        if (end + 4 if end >= 0 else len(data)) - at > self._head_bytes_max:
            raise HttpError(431, f"head over {self._head_bytes_max} bytes")
        if end >= 0:
            return end + 4
        # Section 2.2 lets a lone LF end a line; we refuse it, as half of what smuggling needs. Looked for here too,
        # since "\n\n" would wait for its end for ever.
        if _BARE_LF.search(data, at) is not None:
            raise HttpError(400, "malformed request")
        return -1

    def _expect_body(self, request: Request) -> None:
        """Section 6.3: Transfer-Encoding, else Content-Length, else there is no body."""
        self._request = request
        self._continue_told = False
        self._length = 0
        if b"transfer-encoding" in request.headers:
            self._chunked = ChunkedBody(body_bytes_max=self._body_bytes_max)
        elif b"content-length" in request.headers:
            # Section 8.6 of RFC 9110: 1*DIGIT. Written otherwise than a number is, others may read another.
            length = whole_number(request.headers[b"content-length"].decode("latin-1"), most=EXACT_MAX)
            if length is None:
                raise HttpError(400, "bad Content-Length")
            self._length = length
            if length > self._body_bytes_max:
                raise HttpError(413, f"body over {self._body_bytes_max} bytes")
