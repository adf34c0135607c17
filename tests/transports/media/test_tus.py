"""What the headers of an upload say."""

import hashlib
from base64 import b64encode

import pytest

from greenroom import Refused
from greenroom.actors.media.messages import Standing
from greenroom.transports.media import tus
from greenroom.transports.media.tus import Checksum, Wanted


def test_an_upload_that_is_to_begin() -> None:
    digest = "ab" * 32
    said = f"filename {b64encode('é.jpg'.encode()).decode()}, filetype aW1hZ2UvanBlZw==,sha256 "
    headers = {b"upload-length": b"10", b"upload-metadata": (said + b64encode(digest.encode()).decode()).encode()}
    assert tus.wanted(headers, bytes_max=10) == Wanted(10, "é.jpg", "image/jpeg", digest)
    assert tus.wanted({b"upload-length": b"1"}, bytes_max=10) == Wanted(1, "", "", "")
    assert tus.metadata(b"is_public") == {"is_public": ""}


@pytest.mark.parametrize(
    ("headers", "rule", "status"),
    [
        ({}, "media.length", 400),
        ({b"upload-length": b"0"}, "media.length", 400),
        ({b"upload-length": b"-1"}, "media.header", 400),
        ({b"upload-length": b"1e3"}, "media.header", 400),
        ({b"upload-length": b"9" * 30}, "media.header", 400),
        ({b"upload-length": b"11"}, "media.too_large", 413),
        ({b"upload-length": b"1", b"upload-metadata": b"filename ???"}, "media.metadata", 400),
        ({b"upload-length": b"1", b"upload-metadata": b"filename /w=="}, "media.metadata", 400),
        ({b"upload-length": b"1", b"upload-metadata": b"filename AA=="}, "media.metadata", 400),
        ({b"upload-length": b"1", b"upload-metadata": b"a YQ==,a YQ=="}, "media.metadata", 400),
        ({b"upload-length": b"1", b"upload-metadata": b"\xff YQ=="}, "media.metadata", 400),
        ({b"upload-length": b"1", b"upload-metadata": b"sha256 YWJj"}, "media.metadata", 400),
        ({b"upload-length": b"1", b"upload-metadata": b"a" * (tus.METADATA_MAX + 1)}, "media.metadata", 400),
    ],
)
def test_one_that_says_what_can_not_be_is_refused(headers: dict[bytes, bytes], rule: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        tus.wanted(headers, bytes_max=10)
    assert (refused.value.name, refused.value.status) == (rule, status)


def test_more_of_it() -> None:
    octets = {b"content-type": b"application/offset+octet-stream"}
    assert tus.offset({**octets, b"upload-offset": b"7"}) == 7
    assert tus.length({b"content-length": b"5"}) == 5 and tus.length({}) is None
    for headers, status in (({b"upload-offset": b"7"}, 415), (octets, 400), ({**octets, b"upload-offset": b"x"}, 400)):
        with pytest.raises(Refused) as refused:
            tus.offset(headers)
        assert refused.value.status == status
    with pytest.raises(Refused):
        tus.length({b"content-length": b"five"})


def test_a_checksum() -> None:
    assert tus.checksum({}) is None
    for name in ("sha256", "sha1"):
        digest = hashlib.new(name, b"x").digest()
        header = f"{name} {b64encode(digest).decode()}".encode()
        assert tus.checksum({b"upload-checksum": header}) == Checksum(name, digest)
        for wrong in (header[:-8], name.encode(), b"md5 " + header.partition(b" ")[2], b"", header + b"?"):
            with pytest.raises(Refused) as refused:
                tus.checksum({b"upload-checksum": wrong})
            assert refused.value.status == 400, wrong


def test_the_protocol_is_that_version_or_none_was_said() -> None:
    tus.check_version({})
    tus.check_version({b"tus-resumable": b"1.0.0"})
    with pytest.raises(Refused) as refused:
        tus.check_version({b"tus-resumable": b"0.2.1"})
    assert refused.value.status == 412


def test_how_far_it_is() -> None:
    said = dict(tus.standing_headers(Standing("uploading", 10, 4, 0)))
    assert said == {
        b"Upload-Offset": b"4",
        b"Upload-Length": b"10",
        b"Upload-Expires": b"Thu, 01 Jan 1970 00:00:00 GMT",
    }
    assert b"Upload-Expires" not in dict(tus.standing_headers(Standing("ready", 10, 10, 0)))
