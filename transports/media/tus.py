"""What the headers of an upload say, and are answered: tus 1.0.0, without a socket.

Core, creation, checksum, expiration and termination. Of the two protocols there are, this one is finished and has
clients everywhere; the one of the IETF is a draft yet, whose versions do not understand one another.
Sources: https://tus.io/protocols/resumable-upload,
https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/
"""

import re
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Mapping
from email.utils import formatdate

from msgspec import Struct

from greenroom.actors.media.messages import Standing
from greenroom.actors.model.errors import Refused

VERSION = b"1.0.0"
EXTENSIONS = b"creation,checksum,expiration,termination"
ALGORITHMS = {"sha256": 32, "sha1": 20}  # bytes of the digest; SHA-1 finds what was damaged, and is what tus asks for
BODY = b"application/offset+octet-stream"
METADATA_MAX = 2_048  # bytes of the header
_NUMBER = re.compile(rb"[0-9]{1,15}")

Headers = list[tuple[bytes, bytes]]


class Wanted(Struct, frozen=True):
    """An upload that is to begin."""

    size: int
    name: str
    type: str
    digest: str  # SHA-256 of the whole, hex; "": not said


class Checksum(Struct, frozen=True):
    """Of what one request brings."""

    algorithm: str
    digest: bytes


def method_of(said: str, headers: Mapping[bytes, bytes]) -> str:
    """What a request is to be: where a client, or what is between, knows POST alone, a header says it."""
    wanted = headers.get(b"x-http-method-override", b"").decode("latin-1").upper()
    return wanted if said == "POST" and wanted in ("PATCH", "DELETE") else said


def check_version(headers: Mapping[bytes, bytes]) -> None:
    """Raises: Refused, for another version. None at all is this one."""
    if headers.get(b"tus-resumable", VERSION) != VERSION:
        raise Refused("media.version", "the protocol here is tus 1.0.0", status=412)


def wanted(headers: Mapping[bytes, bytes], *, bytes_max: int) -> Wanted:
    """Of a POST. Raises: Refused."""
    if b"upload-length" not in headers:
        raise Refused("media.length", "Upload-Length says how many bytes there will be", status=400)
    size = _number(headers, b"upload-length")
    if size > bytes_max:
        raise Refused("media.too_large", f"an upload has at most {bytes_max} bytes", status=413)
    if size == 0:
        raise Refused("media.length", "there is nothing in it", status=400)
    said = metadata(headers.get(b"upload-metadata", b""))
    digest = said.get("sha256", "").lower()
    if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Refused("media.metadata", "sha256 is 64 hexadecimal digits", status=400)
    return Wanted(size, said.get("filename", "")[:200], said.get("filetype", "")[:100], digest)


def metadata(header: bytes) -> dict[str, str]:
    """`name base64,name base64`. Raises: Refused."""
    if len(header) > METADATA_MAX:
        raise Refused("media.metadata", f"Upload-Metadata has at most {METADATA_MAX} bytes", status=400)
    found: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in header.decode("latin-1").split(","))):
        name, _, value = pair.partition(" ")
        text = _text(value)
        if text is None or name in found or not name.isascii():
            raise Refused("media.metadata", "Upload-Metadata is names with values in base64", status=400)
        found[name] = text
    return found


def _text(encoded: str) -> str | None:
    """None: it is none that could be shown."""
    try:
        text = b64decode(encoded, validate=True).decode()
    except (BadBase64, ValueError):
        return None
    return text if text.isprintable() else None


def offset(headers: Mapping[bytes, bytes]) -> int:
    """Of a PATCH. Raises: Refused."""
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != BODY:
        raise Refused("media.type", f"Content-Type is {BODY.decode()}", status=415)
    if b"upload-offset" not in headers:
        raise Refused("media.offset", "Upload-Offset says where it goes on", status=400)
    return _number(headers, b"upload-offset")


def length(headers: Mapping[bytes, bytes]) -> int | None:
    """Of the body; None where it is not said. Raises: Refused."""
    return _number(headers, b"content-length") if b"content-length" in headers else None


def checksum(headers: Mapping[bytes, bytes]) -> Checksum | None:
    """`sha256 base64`; None where there is none. Raises: Refused."""
    header = headers.get(b"upload-checksum")
    if header is None:
        return None
    name, _, value = header.partition(b" ")
    algorithm = name.decode("latin-1").lower()
    try:
        digest = b64decode(value.strip(), validate=True)
    except (BadBase64, ValueError):
        digest = b""
    if ALGORITHMS.get(algorithm) != len(digest):
        text = f"Upload-Checksum is one of {', '.join(ALGORITHMS)}, and its digest in base64"
        raise Refused("media.checksum_header", text, status=400)
    return Checksum(algorithm, digest)


def standing_headers(standing: Standing) -> Headers:
    """How far an upload is."""
    said = [(b"Upload-Offset", b"%d" % standing.offset), (b"Upload-Length", b"%d" % standing.size)]
    if standing.state == "uploading":
        said.append((b"Upload-Expires", formatdate(standing.expires_ms / 1000, usegmt=True).encode()))
    return said


def options_headers(bytes_max: int) -> Headers:
    """What is spoken here."""
    return [
        (b"Tus-Version", VERSION),
        (b"Tus-Extension", EXTENSIONS),
        (b"Tus-Max-Size", b"%d" % bytes_max),
        (b"Tus-Checksum-Algorithm", ",".join(ALGORITHMS).encode()),
    ]


def _number(headers: Mapping[bytes, bytes], name: bytes) -> int:
    value = headers[name]
    if not _NUMBER.fullmatch(value):
        raise Refused("media.header", f"{name.decode()} is a whole number", status=400)
    return int(value)
