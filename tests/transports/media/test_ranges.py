"""Which bytes a request is for."""

import pytest

from greenroom.transports.media.ranges import Wanted, matches, wanted

TAG = b'"abc"'
ALL = Wanted(200, 0, 100)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"", ALL),
        (b"bytes=0-0", Wanted(206, 0, 1)),
        (b"bytes=10-19", Wanted(206, 10, 10)),
        (b"bytes=90-", Wanted(206, 90, 10)),
        (b"bytes=90-1000", Wanted(206, 90, 10)),
        (b"bytes=-7", Wanted(206, 93, 7)),
        (b"bytes=-1000", Wanted(206, 0, 100)),
        (b"bytes=100-", Wanted(416, 0, 0)),
        (b"bytes=100-200", Wanted(416, 0, 0)),
        (b"bytes=-0", Wanted(416, 0, 0)),
        (b"bytes=9-3", ALL),
        (b"bytes=0-1,5-6", ALL),
        (b"bytes=-", ALL),
        (b"items=0-1", ALL),
        (b"bytes=0x1-2", ALL),
        (b"bytes=" + b"9" * 40 + b"-", ALL),
    ],
)
def test_a_range(header: bytes, found: Wanted) -> None:
    assert wanted({b"range": header}, size=100, etag=TAG) == found


def test_a_range_counts_only_for_the_file_that_it_was_meant_for() -> None:
    some = {b"range": b"bytes=0-0"}
    assert wanted({**some, b"if-range": TAG}, size=100, etag=TAG).status == 206
    for other in (b'"other"', b'W/"abc"', b"Thu, 01 Jan 1970 00:00:00 GMT"):
        assert wanted({**some, b"if-range": other}, size=100, etag=TAG) == ALL


def test_who_has_it_already_is_told_so() -> None:
    assert wanted({b"if-none-match": TAG, b"range": b"bytes=0-0"}, size=100, etag=TAG).status == 304
    assert matches(b'"x", W/"abc"', TAG) and matches(b"*", TAG)
    assert not matches(b"", TAG) and not matches(b'"abcd"', TAG)
