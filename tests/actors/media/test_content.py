"""What a file is, by its first bytes."""

import pytest

from greenroom.actors.media.content import (
    GIF,
    JPEG,
    MATROSKA,
    MP4,
    PNG,
    QUICKTIME,
    WEBM,
    WEBP,
    Content,
    content_of,
    is_said_wrongly,
)
from tests.e2e.media.files import PLAYLIST, picture


@pytest.mark.parametrize(("form", "content"), [("JPEG", JPEG), ("PNG", PNG), ("GIF", GIF), ("WEBP", WEBP)])
def test_pictures_are_known(form: str, content: Content) -> None:
    assert content_of(picture(8, 8, form)[:64]) == content


@pytest.mark.parametrize(
    ("head", "content"),
    [
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", MP4),
        (b"\0\0\0\x14ftypqt  \0\0\x02\0qt  ", QUICKTIME),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm", WEBM),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x88matroska", MATROSKA),
    ],
)
def test_videos_are_known(head: bytes, content: Content) -> None:
    assert content_of(head) == content


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8",
        PLAYLIST,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>",
        b"RIFF\0\0\0\0AVI LIST",
        b"\0\0\0\x1cftypavif\0\0\0\0avifmif1",
        b"%PDF-1.7",
        b"GIF88a",
    ],
)
def test_what_is_none_of_them_is_nothing(head: bytes) -> None:
    assert content_of(head) is None


def test_what_somebody_says_may_not_be_another_sort() -> None:
    assert not is_said_wrongly("", JPEG) and not is_said_wrongly("application/octet-stream", MP4)
    assert not is_said_wrongly("image/png", JPEG) and not is_said_wrongly("Video/X-M4V", MP4)
    assert is_said_wrongly("image/jpeg", MP4) and is_said_wrongly("video/mp4", PNG)
    assert is_said_wrongly("text/html", JPEG)
