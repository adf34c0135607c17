from greenroom.transports.codecs.http_head import parse_head
from greenroom.transports.http.cors import cors_headers


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
