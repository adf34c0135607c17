"""Requests out of bytes: any cut gives the same, bounds hold, and what could be read in two ways is refused."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenroom.transports.codecs.http_head import REPEATED_BYTES_MAX, Request, parse_head, query_pairs
from greenroom.transports.codecs.http_requests import BrokenRequest, RequestDecoder

# A busy machine is not a failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
cuts = st.lists(st.integers(0, 5_000), max_size=12)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    return [data[start:end] for start, end in pairwise(borders)]


def is_api(request: Request) -> bool:
    return request.path.startswith(b"/api")


def decode(chunks: list[bytes]) -> tuple[list[Request], int | None, bytes]:
    """The requests, the status that ended them, and what was left for someone else."""
    decoder = RequestDecoder(is_api, head_bytes_max=1_000, body_bytes_max=500)
    requests: list[Request] = []
    for chunk in chunks:
        try:
            requests += decoder.feed(chunk)
        except BrokenRequest as error:
            assert decoder.feed(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n") == []
            return requests + list(error.before), error.status, b""
    return requests, None, decoder.rest


def described(outcome: tuple[list[Request], int | None, bytes]) -> tuple[object, ...]:
    """What any cut must leave the same. A request handed over splits its bytes between `raw` and `rest`."""
    requests, status, rest = outcome
    kept = [
        (request.method, request.target, request.headers, request.body, request.raw, request.upgrade)
        for request in requests
        if request.kept
    ]
    handed = [request.raw + rest for request in requests if not request.kept]
    return kept, handed, status, b"" if handed else rest


def one(data: bytes) -> Request:
    requests, status, rest = decode([data])
    assert (status, rest, len(requests)) == (None, b"", 1)
    return requests[0]


def status_of(data: bytes) -> int | None:
    whole = decode([data])[1]
    assert decode([data[at : at + 1] for at in range(len(data))])[1] == whole
    return whole


def head(first: bytes = b"POST /api/room/lobby/send HTTP/1.1", *headers: bytes) -> bytes:
    return b"\r\n".join((first, b"Host: a", *headers, b"", b""))


def chunked(body: bytes, sizes: list[int], trailers: bytes = b"") -> bytes:
    parts = []
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            parts.append(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
    if body:
        parts.append(b"%X\r\n%b\r\n" % (len(body), body))
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


@st.composite
def requests_sent(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The bytes of one request, and its body."""
    kind = draw(st.sampled_from(["get", "length", "chunked"]))
    body = draw(st.binary(max_size=80))
    blank = b"\r\n" * draw(st.integers(0, 3))
    if kind == "get":
        return blank + head(b"GET /api/room/a%2Fb?x=1 HTTP/1.1", b"X-Y: \xffz"), b""
    if kind == "length":
        return blank + head(b"POST /api HTTP/1.1", b"Content-Length: %d" % len(body)) + body, body
    sizes = draw(st.lists(st.integers(1, 30), max_size=4))
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
    return blank + head(b"POST /api HTTP/1.1", b"Transfer-Encoding: chunked") + chunked(body, sizes, trailers), body


tails = st.one_of(
    st.just(b""),
    st.binary(max_size=30).map(lambda rest: head(b"POST /page HTTP/1.1", b"Content-Length: 9000") + rest),
    st.binary(max_size=30).map(
        lambda rest: head(b"GET /api/ws HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket") + rest
    ),
    st.binary(max_size=60),
)


@unhurried
@given(st.lists(requests_sent(), max_size=4), tails, cuts)
def test_any_cut_gives_the_same_requests(sent: list[tuple[bytes, bytes]], tail: bytes, cuts: list[int]) -> None:
    data = b"".join(data for data, _ in sent) + tail
    whole = decode([data])
    assert [request.body for request in whole[0][: len(sent)]] == [body for _, body in sent]
    assert [request.raw for request in whole[0][: len(sent)]] == [data.lstrip(b"\r\n") for data, _ in sent]
    assert described(decode(cut(data, cuts))) == described(whole)


@unhurried
@given(
    st.one_of(st.binary(max_size=300), st.text("GETPOS /?#%:\r\nHost1.,;chunked0", max_size=200).map(str.encode)), cuts
)
def test_garbage_raises_nothing_but_http_errors(data: bytes, cuts: list[int]) -> None:
    decode(cut(data, cuts))


@unhurried
@given(requests_sent(), st.integers(0, 10**6), st.integers(0, 255), cuts)
def test_a_damaged_byte_raises_nothing_but_http_errors(
    sent: tuple[bytes, bytes], at: int, byte: int, cuts: list[int]
) -> None:
    data = bytearray(sent[0])
    data[at % len(data)] = byte
    assert described(decode(cut(bytes(data), cuts)))[0] == described(decode([bytes(data)]))[0]


def test_a_typical_post() -> None:
    body = b'{"text":"hi"}'
    data = head(
        b"POST /api/room/%40ann+bob/send?wait=1 HTTP/1.1", b"User-Agent: curl/8", b"Content-Length: %d" % len(body)
    )
    request = one(data + body)
    assert (request.method, request.version, request.keep_alive, request.upgrade) == ("POST", "1.1", True, False)
    assert request.target == b"/api/room/%40ann+bob/send?wait=1"
    assert request.path == b"/api/room/%40ann+bob/send"
    assert request.segments == ("api", "room", "@ann+bob", "send")
    assert query_pairs(request.query) == [("wait", "1")]
    assert request.headers == {b"host": b"a", b"user-agent": b"curl/8", b"content-length": b"13"}
    assert (request.body, request.raw) == (body, data + body)


def test_an_encoded_slash_stays_inside_its_segment() -> None:
    assert one(head(b"GET /api/a%2Fb/%C3%A4/ HTTP/1.1")).segments == ("api", "a/b", "ä", "")


def test_pipelined_requests_before_a_broken_one_are_not_lost() -> None:
    requests, status, _ = decode([head(b"GET /api/1 HTTP/1.1") + head(b"GET /api/2 HTTP/1.1") + b"\x16\x03\x01"])
    assert ([request.path for request in requests], status) == ([b"/api/1", b"/api/2"], 400)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),  # TLS
        (b"get / HTTP/1.1\r\n", 400),
        (b"GET /api HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /api\r\n\r\n", 505),
        (b"GET /api HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /api HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /api HTTP/1.0\r\n\r\n", None),
        (head(b"GET /api HTTP/1.1", b"Host: b"), 400),
        (head(b"GET /api HTTP/1.1", b"Authorization: a", b"authorization: b"), 400),
        (head(b"GET /api HTTP/1.1", b"X: a\x01b"), 400),
        (head(b"GET /api HTTP/1.1", b"X: a\x00b"), 400),
        (head(b"GET /api HTTP/1.1", b"X: a\rb"), 400),
        (head(b"GET /api HTTP/1.1", b"X: a", b" folded"), 400),
        (head(b"GET /api HTTP/1.1", b"X : a"), 400),
        (head(b"GET /api HTTP/1.1", b"no colon"), 400),
        (head(b"GET /api/%zz HTTP/1.1"), 400),
        (head(b"GET /api/%f HTTP/1.1"), 400),
        (head(b"GET /api?x=%1 HTTP/1.1"), 400),
        (head(b"GET /api/%ff HTTP/1.1"), 400),
        (head(b"GET /api/\xc3\xa4 HTTP/1.1"), 400),
        (head(b"GET /api#x HTTP/1.1"), 400),
        (head(b"GET * HTTP/1.1"), 400),
        (head(b"GET ftp://a/api HTTP/1.1"), 400),
        (head(b"CONNECT a:1 HTTP/1.1"), 501),
        (head(b"TRACE /api HTTP/1.1"), 501),
        (head(b"BREW /api HTTP/1.1"), 501),
        (head(b"POST /api HTTP/1.1", b"Content-Length: 3", b"Transfer-Encoding: chunked"), 400),
        (head(b"POST /api HTTP/1.1", b"Transfer-Encoding: chunked", b"Content-Length: 3"), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: 3", b"Content-Length: 3"), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: 3, 3"), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: -1"), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: 99999999999999999999999"), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: " + b"0" * 500), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: 007"), 400),
        (head(b"POST /api HTTP/1.1", b"Content-Length: 501"), 413),
        (head(b"POST /api HTTP/1.1", b"Transfer-Encoding: gzip"), 501),
        (head(b"POST /api HTTP/1.1", b"Transfer-Encoding: gzip, chunked"), 501),
        (head(b"POST /api HTTP/1.1", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), 501),
        (head(b"POST /api HTTP/1.1", b"Transfer-Encoding: chunked, chunked"), 400),
        (b"POST /api HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (head(b"POST /api HTTP/1.1", b"Expect: a miracle"), 417),
        (head(b"GET /api HTTP/1.1", b"X: " + b"y" * 1_000), 431),
        (b"GET /api HTTP/1.1\r\nX: " + b"y" * 1_000, 431),
        (head(b"GET /api HTTP/1.1", *[b"A:b"] * 101), 431),
    ],
)
def test_each_mistake_has_its_status(data: bytes, status: int | None) -> None:
    assert status_of(data) == status


def test_a_request_that_is_not_kept_comes_at_once_with_all_that_was_read() -> None:
    page = head(b"POST /login HTTP/1.1", b"Content-Length: 100000") + b"user=ann"
    api = head(b"GET /api HTTP/1.1")
    decoder = RequestDecoder(is_api)
    first, second = decoder.feed(api + page)
    assert (first.kept, first.raw) == (True, api)
    assert (second.kept, second.raw, second.body) == (False, page, b"")
    assert decoder.finished
    assert decoder.feed(b"more") == []
    assert decoder.rest == b"more"


def test_what_follows_an_upgrade_is_left_over() -> None:
    ask = head(b"GET /api/ws HTTP/1.1", b"Connection: keep-alive, upgrade", b"Upgrade: WebSocket")
    requests, status, rest = decode([ask + b"\x81\x80abcd"])
    assert (requests[0].upgrade, status, rest) == (True, None, b"\x81\x80abcd")


def test_other_upgrades_are_declined_by_ignoring_them() -> None:
    ask = head(b"POST /api HTTP/1.1", b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 2")
    requests, status, _ = decode([ask + b"hi" + head(b"GET /api HTTP/1.1")])
    assert ([request.upgrade for request in requests], requests[0].body, status) == ([False, False], b"hi", None)
    old = b"GET /api/ws HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert not one(old).upgrade
    with_body = head(b"GET /api HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 2")
    assert status_of(with_body) == 400


def test_a_waiting_body_is_told_to_continue_once() -> None:
    ask = head(b"POST /api HTTP/1.1", b"Expect: 100-Continue", b"Content-Length: 2")
    decoder = RequestDecoder()
    assert decoder.idle
    assert decoder.feed(ask) == []
    awaiting = decoder.awaiting
    assert awaiting is not None and awaiting.expects_continue
    assert [decoder.take_continue(), decoder.take_continue()] == [True, False]
    assert not decoder.feed(b"h")
    assert [request.body for request in decoder.feed(b"i")] == [b"hi"]
    assert decoder.awaiting is None
    decoder.feed(ask + b"h")  # the client did not wait
    assert not decoder.take_continue()


def test_keep_alive() -> None:
    assert not one(head(b"GET /api HTTP/1.1", b"Connection: TE, Close")).keep_alive
    assert not one(b"GET /api HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive


def test_an_absolute_target_replaces_the_host() -> None:
    request = one(head(b"GET http://B:80/api?x HTTP/1.1"))
    assert (request.path, request.query, request.headers[b"host"]) == (b"/api", b"x", b"B:80")
    assert parse_head(head(b"GET http://b?x HTTP/1.1")).path == b"/"
    assert parse_head(head(b"OPTIONS * HTTP/1.1")).segments == ("*",)


def test_repeated_headers_are_joined() -> None:
    request = one(head(b"GET /api HTTP/1.1", b"Cookie: a=1", b"Accept: x", b"Cookie: b=2", b"Accept: y \t"))
    assert (request.headers[b"cookie"], request.headers[b"accept"]) == (b"a=1; b=2", b"x, y")


def test_an_idle_decoder_holds_no_buffers() -> None:
    decoder = RequestDecoder()
    for chunk in cut(head(b"POST /api HTTP/1.1", b"Content-Length: 3") + b"abc", [5, 60]):
        decoder.feed(memoryview(chunk))
    assert decoder.idle


SOME = (
    head(b"GET /api/a HTTP/1.1"),
    b"\r\n" + head(b"GET /api/a HTTP/1.1"),
    head(b"POST /api/a HTTP/1.1", b"Content-Length: 3") + b"abc",
    head(b"POST /api/a HTTP/1.1", b"Content-Length: 3") + b"xyz",
    head(b"POST /api/a HTTP/1.1", b"Content-Length: 3", b"Expect: 100-continue") + b"xyz",
    head(b"POST /api/a HTTP/1.1", b"Content-Length: 0"),
    head(b"POST /api/a HTTP/1.1", b"Transfer-Encoding: chunked") + b"2\r\nab\r\n0\r\n\r\n",
    head(b"POST /api/a HTTP/1.1", b"Transfer-Encoding: chunked") + b"1\r\nb\r\n0\r\n\r\n",
)


@unhurried
@given(st.lists(st.sampled_from(range(len(SOME))), max_size=12), cuts)
def test_a_head_that_comes_again_means_what_it_meant(order: list[int], cuts: list[int]) -> None:
    decoder = RequestDecoder(is_api)
    requests = [one for data in cut(b"".join(SOME[at] for at in order), cuts) for one in decoder.feed(data)]
    alone = [one(SOME[at]) for at in order]
    assert requests == alone
    assert decoder.idle and not decoder.finished


def test_heads_that_differ_by_a_byte_are_not_the_same() -> None:
    decoder = RequestDecoder()
    ann, bob = (head(b"GET /api HTTP/1.1", b"X-Greenroom-User: " + name) for name in (b"ann", b"bob"))
    requests = decoder.feed(ann + ann + bob + ann)
    assert [request.headers[b"x-greenroom-user"] for request in requests] == [b"ann", b"ann", b"bob", b"ann"]
    assert decoder.feed(ann[:-1]) == []
    assert decoder.feed(ann[-1:])[0].headers[b"x-greenroom-user"] == b"ann"


def test_a_body_that_looks_like_the_head_before_it_is_a_body() -> None:
    size = len(head(b"POST /api HTTP/1.1", b"Content-Length: 00"))
    sent = head(b"POST /api HTTP/1.1", b"Content-Length: %d" % size)
    assert [request.body for request in RequestDecoder().feed(sent * 4)] == [sent, sent]


@pytest.mark.bound("what is remembered of a connection's last requests")
def test_what_is_remembered_of_a_request_is_its_head_and_bounded() -> None:
    sent = head(b"POST /api HTTP/1.1", b"Content-Length: 3") + b"abc"
    once, decoder = RequestDecoder(), RequestDecoder()
    once.feed(sent)
    assert once._last is None  # one that is never said again is not worth a copy
    decoder.feed(sent)
    (request,) = decoder.feed(sent)
    assert decoder._last is not None
    assert (decoder._last.body, decoder._last.sent_body) == (b"", b"")
    assert decoder._last.headers is request.headers
    decoder = RequestDecoder()
    long = head(b"GET /api HTTP/1.1", b"A: " + b"a" * REPEATED_BYTES_MAX)
    decoder.feed(long + long)
    assert decoder._last is None
