"""Responses as bytes, read back by h11."""

import h11
import pytest

from greenroom.transports.codecs.http_response import CONTINUE, http_date, response, stream_head

DATE = http_date(784_111_777)


def read(data: bytes, *, method: str = "POST", closed: bool = False) -> tuple[h11.Response, bytes, list[object]]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if closed:
        client.receive_data(b"")
    head, body = None, b""
    rest: list[object] = []
    while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        else:
            rest.append(event)
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
    assert head is not None
    return head, body, rest


def test_a_whole_response() -> None:
    head, body, _ = read(response(429, b"{}", headers=((b"Retry-After", b"1"),), date=DATE))
    assert (head.status_code, head.reason, body) == (429, b"Too Many Requests", b"{}")
    assert dict(head.headers) == {
        b"date": b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"content-type": b"application/json",
        b"content-length": b"2",
        b"retry-after": b"1",
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
    }
    assert (b"connection", b"close") in read(response(200, date=DATE, keep_alive=False))[0].headers


def test_responses_without_a_body() -> None:
    assert b"Content-Length" not in response(204, date=DATE)
    assert response(204, b"x", date=DATE).endswith(b"\r\n\r\n")
    head, body, _ = read(response(200, b"four", date=DATE, head_only=True), method="HEAD")
    assert (dict(head.headers)[b"content-length"], body) == (b"4", b"")


def test_a_stream_ends_with_the_connection() -> None:
    data = stream_head(b"text/event-stream", ((b"Access-Control-Allow-Origin", b"*"),), date=DATE) + b"data: 1\n\n"
    head, body, rest = read(data, closed=True)
    assert (head.status_code, body, type(rest[-1])) == (200, b"data: 1\n\n", h11.EndOfMessage)
    assert dict(head.headers)[b"connection"] == b"close"


def test_continue_comes_before_the_response() -> None:
    _, _, rest = read(CONTINUE + response(200, date=DATE))
    assert isinstance(rest[0], h11.InformationalResponse)


@pytest.mark.parametrize("header", [(b"A", b"b\r\nC: d"), (b"A\r\n", b"b"), (b"A", b"\x00"), (b"", b"b")])
def test_a_header_cannot_leave_its_line(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        response(200, headers=(header,), date=DATE)
