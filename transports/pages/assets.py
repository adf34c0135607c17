"""The files that pages are made of, read once at start. A name is looked up, never joined to a path."""

import hashlib
from pathlib import Path

from msgspec import Struct

# Spelled out: the machine's own table of types may be missing or wrong, and a module with a wrong type does not run.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


class Asset(Struct, frozen=True):
    """One file as it is served."""

    body: bytes
    content_type: str
    etag: str  # without the quotes


def load_assets(folder: Path) -> dict[str, Asset]:
    """Every file in `folder`, and in a folder of it, whose type is known, by its path from there: `social/list.js`."""
    found = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): asset(path.read_bytes(), _TYPES[path.suffix]) for path in found}


def asset(body: bytes, content_type: str) -> Asset:
    return Asset(body=body, content_type=content_type, etag=hashlib.sha256(body).hexdigest()[:24])
