"""A body in chunks: strict in what could be read in two ways, bounded in all that is thrown away."""

import pytest

from greenroom.transports.codecs.chunked_body import ChunkedBody
from greenroom.transports.codecs.http_error import HttpError


def fed(data: bytes, *, at_once: bool) -> tuple[bytes, bytes | None]:
    """The body, and what follows it; None while it is unfinished."""
    body = ChunkedBody(body_bytes_max=500)
    rest: bytes | None = None
    for piece in [data] if at_once else [data[at : at + 1] for at in range(len(data))]:
        rest = body.feed(piece) if rest is None else rest + piece
    return bytes(body.body), rest


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x\r\n", 400),
        (b"-1\r\n", 400),
        (b"0x1\r\n", 400),
        (b"1 \r\na\r\n", 400),
        (b"1\na\r\n", 400),
        (b"1\r\nab\r\n", 400),
        (b"ffffffffffffffff\r\n", 400),
        (b"1f5\r\n", 413),
        (b"0\r\nbad trailer\r\n\r\n", 400),
        (b"0\r\nX: a\x00\r\n\r\n", 400),
        (b"1;" + b"e" * 2_000, 431),
        (b"0\r\n" + b"A: b\r\n" * 2_000, 431),
    ],
)
def test_bad_chunks(body: bytes, status: int, at_once: bool) -> None:
    with pytest.raises(HttpError) as caught:
        fed(body, at_once=at_once)
    assert caught.value.status == status


@pytest.mark.parametrize("at_once", [True, False])
def test_what_follows_the_body_is_given_back_and_trailers_are_dropped(at_once: bool) -> None:
    sent = b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET"
    assert fed(sent, at_once=at_once) == (b"abc0123456789", b"GET")
    assert fed(sent[:-5], at_once=at_once) == (b"abc0123456789", None)


def test_chunks_add_up_to_the_bound() -> None:
    half = b"fa\r\n" + b"x" * 250 + b"\r\n"
    assert fed(half * 2 + b"0\r\n\r\n", at_once=True) == (b"x" * 500, b"")
    with pytest.raises(HttpError) as caught:
        fed(half * 2 + b"1\r\n", at_once=True)
    assert caught.value.status == 413
