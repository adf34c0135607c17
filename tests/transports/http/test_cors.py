import pytest

from greenroom.transports.codecs.http_head import parse_head
from greenroom.transports.http.cors import cors_headers, origin_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "answer"),
    [
        (b"http://localhost:8000", b"localhost:8000", (), True),
        (b"https://localhost:8000", b"localhost:8000", (), True),
        (b"http://localhost:8001", b"localhost:8000", (), False),
        (b"http://evil.example", b"localhost:8000", (), False),
        (b"http://evil.example", b"localhost:8000", ("https://good.example",), False),
        (b"https://good.example", b"api.example", ("https://good.example",), True),
        (b"https://good.example.evil", b"api.example", ("https://good.example",), False),
        (b"http://good.example", b"api.example", ("https://good.example",), False),
        (b"https://any.example", b"api.example", ("*",), True),
        (b"null", b"api.example", (), False),
        (b"null", b"", (), False),
        (b"", b"", (), False),
        (b"http://[", b"[", (), False),
        (b"http://\xff", b"\xff", (), False),
    ],
)
def test_which_pages_may_speak_to_us(origin: bytes, host: bytes, allowed: tuple[str, ...], answer: bool) -> None:
    assert origin_allowed(origin, host, allowed) is answer


def request(method: str, more: bytes) -> dict[bytes, bytes]:
    head = parse_head(method.encode() + b" /api/a/b/c HTTP/1.1\r\nHost: a\r\n" + more + b"\r\n")
    return dict(cors_headers(head.headers[b"origin"], head))


def test_what_browsers_are_told() -> None:
    plain = request("POST", b"Origin: https://good.example\r\n")
    assert plain == {
        b"Access-Control-Allow-Origin": b"https://good.example",
        b"Access-Control-Allow-Credentials": b"true",
        b"Vary": b"Origin",
        b"Access-Control-Expose-Headers": b"Retry-After",
    }
    preflight = request(
        "OPTIONS", b"Origin: https://good.example\r\nAccess-Control-Request-Headers: authorization, idempotency-key\r\n"
    )
    assert preflight[b"Access-Control-Allow-Headers"] == b"authorization, idempotency-key"
    assert b"POST" in preflight[b"Access-Control-Allow-Methods"]
    assert preflight[b"Access-Control-Max-Age"] == b"300"
