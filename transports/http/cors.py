"""Which pages may speak to us, and what their browsers have to be told."""

from functools import lru_cache
from urllib.parse import urlsplit

from greenroom.transports.codecs.http_head import Request

VARY = ((b"Vary", b"Origin"),)  # tells caches that another origin may get another answer


@lru_cache(1024)
def origin_allowed(origin: bytes, host: bytes, allowed: tuple[str, ...]) -> bool:
    """Is a page of this `Origin` let in: of the same host, or named in the setting (`*` names all)?"""
    if "*" in allowed:
        return True
    text = origin.decode("latin-1")
    if text in allowed:
        return True
    try:
        return host != b"" and urlsplit(text).netloc.encode() == host
    except ValueError:
        return False


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
