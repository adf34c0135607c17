"""Heads line by line: what is taken is read as others read it, and what is remembered is bounded."""

import contextlib
from urllib.parse import urlencode

import pytest
from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import (
    REPEATED_MAX,
    _Read,
    _read_field,
    has_token,
    parse_head,
    query_pairs,
)

# A busy machine is not a failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("data", [b"", b"GET", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_the_beginning_of_a_head_is_no_head(data: bytes) -> None:
    with pytest.raises(HttpError):
        parse_head(data)


@pytest.mark.bound("lines of HTTP heads that have been read")
def test_what_is_remembered_of_lines_is_bounded_and_says_the_same() -> None:
    remembered = _Read(_read_field)
    for number in range(2 * REPEATED_MAX + 10):
        assert remembered[b"X-Number: %d" % number] == (b"x-number", b"%d" % number)
        assert len(remembered) <= REPEATED_MAX
    for _ in range(2):
        with pytest.raises(HttpError):  # what is refused once is refused again
            remembered[b"X : 1"]


# Pieces of heads, good and bad.
ODD = (
    *("GET", "POST", "BREW", "get", " ", "  ", "/", "/a%2Fb?x=1", "*", "http://a/b", "//", "HTTP/1.1", "HTTP/1.0"),
    *("HTTP/2.0", "\r\n", "\n", "\r", ":", " :", "\t", "Host", "a", "X-Y", "Content-Length", "3", "Transfer-Encoding"),
    *("http://u@a/b", "chunked", "Connection", "close", "upgrade", "\x00", "\x7f", "ä", '"', "{}"),
)


def test_of_an_absolute_target_the_authority_is_the_host_and_names_no_user() -> None:
    for version in (b"1.0", b"1.1"):
        host = b"Host: b\r\n" if version == b"1.1" else b""
        request = parse_head(b"GET http://a/x HTTP/" + version + b"\r\n" + host + b"\r\n")
        assert (request.headers[b"host"], request.path) == (b"a", b"/x")
        for wrong in (b"u@a", b"a%zz", b"a:b", b"[::1", b"a[b]", b'a"b', b""):  # no more a host than in the header
            with pytest.raises(HttpError, match="bad request target"):
                parse_head(b"GET http://" + wrong + b"/x HTTP/" + version + b"\r\n" + host + b"\r\n")


@unhurried
@given(
    st.sampled_from([b"GET /a HTTP/1.1\r\nHost: a\r\n", b"POST /a?b HTTP/1.0\r\n", b""]),
    st.lists(st.sampled_from(ODD), max_size=14),
)
def test_what_we_take_httptools_takes_and_reads_alike(begun: bytes, odd: list[str]) -> None:
    sent = begun + "".join(odd).encode("latin-1") + b"\r\n\r\n"
    try:
        request = parse_head(sent)
    except HttpError:
        return
    oracle = Oracle()
    parser = HttpRequestParser(oracle)
    with contextlib.suppress(HttpParserUpgrade):
        parser.feed_data(sent)
    assert (parser.get_method().decode(), parser.get_http_version()) == (request.method, request.version)
    assert oracle.target == request.target
    if not request.target.startswith(b"http"):  # where it names the host
        assert joined(oracle.fields) == request.headers


class Oracle:
    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.rstrip(b" \t")))


def joined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name: b", ".join(value for one, value in fields if one == name) for name, _ in fields}


@unhurried
@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5))
def test_query_pairs(pairs: list[tuple[str, str]]) -> None:
    assert query_pairs(urlencode(pairs).encode()) == pairs


@pytest.mark.parametrize("query", [b"a=%zz", b"a=%ff", b"a=1&b=2&c=3", b"a=\xff"])
def test_bad_queries(query: bytes) -> None:
    with pytest.raises(HttpError) as caught:
        query_pairs(query, pairs_max=2)
    assert caught.value.status == 400


def test_has_token() -> None:
    assert has_token(b"keep-alive ,Upgrade", b"upgrade")
    assert not has_token(b"upgrades", b"upgrade")
    assert not has_token(b"", b"upgrade")
