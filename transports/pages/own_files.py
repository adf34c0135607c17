"""The operator's own files, from the folder that GREENROOM_STATIC names: looked up at each request, sent in pieces.

What an address may name is decided by `within`, from the address and the folder as it is: no part of it begins with a
dot or leads up, and what a link points to lies in the folder as well.
"""

import errno
import os
import stat
from collections.abc import AsyncIterator
from email.utils import formatdate
from io import FileIO
from pathlib import Path

import trio
from msgspec import Struct
from werkzeug.exceptions import NotFound, RequestEntityTooLarge

FILE_BYTES_MAX = 64 << 20
PIECE_BYTES = 65_536
READERS_MAX = 8  # threads that look at the disk at once
# Spelled out, as in assets.py. What is not here is offered for download.
TYPES = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".htm": "text/html; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
INDEX = "index.html"


class OwnFile(Struct, frozen=True):
    """One file, opened, as it is served."""

    file: FileIO  # whoever opened it closes it; an answer that nobody reads lets go of it, which closes it too
    size: int  # bytes
    modified: str  # HTTP date
    etag: str  # without the quotes
    content_type: str


class IsFolder(Exception):
    """The address names a folder, and lacks the slash at its end: links in its page would lead astray."""


class OwnFiles:
    """The files of one folder, which exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._threads = trio.CapacityLimiter(READERS_MAX)

    async def open(self, address: str) -> OwnFile:
        """The file at `address`, a path without the slash at its beginning; of a folder, its page.

        Raises: NotFound, IsFolder, RequestEntityTooLarge for a file above FILE_BYTES_MAX.
        """
        return await trio.to_thread.run_sync(_open, self._folder, address, limiter=self._threads)

    async def pieces(self, found: OwnFile) -> AsyncIterator[bytes]:
        """Its bytes, as many as were promised; closes it. Raises: OSError when it became shorter meanwhile."""
        left = found.size
        try:
            while left:
                wanted = min(left, PIECE_BYTES)
                piece = await trio.to_thread.run_sync(found.file.read, wanted, limiter=self._threads)
                if not piece:
                    raise OSError(errno.EIO, "the file became shorter while it was sent")
                left -= len(piece)
                yield piece
        finally:
            found.file.close()


def within(folder: Path, address: str) -> Path:
    """Where `address` leads from `folder`, with links followed. Raises: NotFound when that is not for everybody."""
    parts = address.removesuffix("/").split("/") if address else []
    if any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise NotFound
    try:
        path = folder.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # nothing there, links in a circle, too long a name
        raise NotFound from None
    if not path.is_relative_to(folder) or any(part.startswith(".") for part in path.relative_to(folder).parts):
        raise NotFound
    return path


def _open(folder: Path, address: str) -> OwnFile:
    path = within(folder, address)
    if path.is_dir():
        if address and not address.endswith("/"):
            within(folder, f"{address}/{INDEX}")
            raise IsFolder
        path = within(folder, f"{address}{INDEX}")
    elif address.endswith("/"):
        raise NotFound
    try:  # without a wait for who would write into a pipe, and not through a link that was put there since
        file = FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError:
        raise NotFound from None
    try:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise NotFound
        if seen.st_size > FILE_BYTES_MAX:
            raise RequestEntityTooLarge(f"a file has at most {FILE_BYTES_MAX >> 20} MiB")
    except BaseException:
        file.close()
        raise
    return OwnFile(
        file=file,
        size=seen.st_size,
        modified=formatdate(seen.st_mtime, usegmt=True),
        etag=f"{seen.st_mtime_ns:x}-{seen.st_size:x}-{seen.st_ino:x}",
        content_type=TYPES.get(path.suffix.lower(), "application/octet-stream"),
    )
