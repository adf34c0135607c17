"""What the browsers of pages that may speak to us have to be told. Which may, `origins.py` decides."""

from greenroom.transports.codecs.http_head import Request

VARY = ((b"Vary", b"Origin"),)  # tells caches that another origin may get another answer


def cors_headers(origin: bytes, request: Request) -> tuple[tuple[bytes, bytes], ...]:
    """For an origin that is allowed; what comes without one gets VARY alone."""
    headers = [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Credentials", b"true"),
        *VARY,
    ]
    if request.method == "OPTIONS":
        headers += [
            (b"Access-Control-Allow-Methods", b"GET, HEAD, POST, OPTIONS"),
            (b"Access-Control-Max-Age", b"300"),
        ]
        asked = request.headers.get(b"access-control-request-headers")
        if asked is not None:
            headers.append((b"Access-Control-Allow-Headers", asked))
    else:
        headers.append((b"Access-Control-Expose-Headers", b"Retry-After"))
    return tuple(headers)
