"""What a file is, by its first bytes: a name and a Content-Type are only what somebody says.

Few kinds, each of which one reader is then told to read it as, and nothing else: what looks like a playlist, or like a
file that names other files, is none of them.
"""

from typing import Final, Literal

from msgspec import Struct

HEAD_BYTES: Final = 64  # that `content_of` looks at


class Content(Struct, frozen=True):
    """A kind of file that is taken."""

    type: str  # as it is served
    sort: Literal["picture", "video"]
    reader: str  # what Pillow or ffmpeg calls it
    suffix: str


JPEG = Content("image/jpeg", "picture", "JPEG", ".jpg")
PNG = Content("image/png", "picture", "PNG", ".png")
GIF = Content("image/gif", "picture", "GIF", ".gif")
WEBP = Content("image/webp", "picture", "WEBP", ".webp")
MP4 = Content("video/mp4", "video", "mov", ".mp4")
QUICKTIME = Content("video/quicktime", "video", "mov", ".mov")
WEBM = Content("video/webm", "video", "matroska", ".webm")
MATROSKA = Content("video/x-matroska", "video", "matroska", ".mkv")

# Brands of ISO base media files that are pictures, or that ffmpeg would look elsewhere for.
_NO_VIDEO: Final = frozenset((b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"crx ", b"M4A ", b"M4B "))


def content_of(head: bytes) -> Content | None:
    """None: it is nothing that is taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and head[8:12] not in _NO_VIDEO:
        return QUICKTIME if head[8:12] == b"qt  " else MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:HEAD_BYTES] else MATROSKA
    return None


def is_said_wrongly(said: str, content: Content) -> bool:
    """Did whoever sent it say that it is something else, a video where it is a picture? Of one sort, any will do: which
    type a system has for a suffix is anybody's guess."""
    sort = said.partition("/")[0].strip().lower()
    return sort not in ("", "application") and sort != {"picture": "image", "video": "video"}[content.sort]
