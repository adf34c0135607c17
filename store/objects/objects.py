"""Objects of one folder or bucket, over obstore: S3, GCS, Azure or a folder, by the URL.

Calls block, for at most as long as `CLIENT` and `RETRIES` say: jobs call them where they are, a node in threads
(in_threads.py). The library is imported with the first object, so that a node that keeps none needs none. A write is
whole or not there. Credentials are the environment's, read by the library; none is in a URL of ours.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom.config.settings.forms import objects_folder
from greenroom.store.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PIECE_BYTES = 1 << 20  # of what is read, in one request: the client's time is for a request's whole body
CLIENT = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=30)}  # for one request
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # where the environment says that S3 is
RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
SAID_MAX = 300  # characters of what a storage says of itself


class ObjectsUnavailable(StoreError):
    """The storage can't be asked, or did not do it. Try again later."""


class ObjectMissing(StoreError):
    """There is none of that name."""


class Objects:
    """Those below one address."""

    def __init__(self, url: str) -> None:
        """Opens nothing. `url`: as GREENROOM_MEDIA."""
        self._url = url
        self._store: ObjectStore | None = None

    def put(self, name: str, data: bytes | Path) -> None:
        """Raises: ObjectsUnavailable."""
        import obstore

        try:
            obstore.put(self._opened(), name, data)
        except Exception as error:  # the library has no base for what it raises
            raise _unavailable(error) from None

    def pieces(self, name: str, first: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Its bytes, from `first` on, so many of them. Raises: ObjectMissing, ObjectsUnavailable."""
        import obstore

        end = first + size if size is not None else inf
        while first < end:
            try:
                got = obstore.get(self._opened(), name, options={"range": (first, int(min(end, first + PIECE_BYTES)))})
                piece, end = bytes(got.bytes()), min(end, got.meta["size"])
            except FileNotFoundError:
                raise ObjectMissing(name) from None
            except Exception as error:
                raise _unavailable(error) from None
            first += len(piece)
            yield piece
            if not piece:
                return

    def fetch(self, name: str, to: Path) -> None:
        """Into a file. Raises: ObjectMissing, ObjectsUnavailable."""
        with to.open("wb") as file:
            for piece in self.pieces(name):
                file.write(piece)

    def delete(self, name: str) -> None:
        """There is none afterwards. Raises: ObjectsUnavailable."""
        import obstore

        try:
            obstore.delete(self._opened(), name)
        except FileNotFoundError:
            pass
        except Exception as error:
            raise _unavailable(error) from None

    def names(self, prefix: str) -> Iterator[str]:
        """Of all objects below `prefix`, which ends between two parts of a name. Raises: ObjectsUnavailable."""
        import obstore

        try:
            for some in obstore.list(self._opened(), prefix=prefix):
                yield from (one["path"] for one in some)
        except Exception as error:
            raise _unavailable(error) from None

    def clear(self, prefix: str) -> Iterator[str]:
        """Delete all below `prefix`, which is not empty; their names, as they go. Raises: ObjectsUnavailable."""
        assert prefix.endswith("/") and prefix != "/", "not all that there is"
        for name in list(self.names(prefix)):
            self.delete(name)
            yield name
        if self._folder is not None:  # of a write that was killed halfway, a file is left there which has no name
            self._opened()
            shutil.rmtree(self._folder / prefix, ignore_errors=True)

    @property
    def _folder(self) -> Path | None:
        return objects_folder(self._url)

    def _opened(self) -> "ObjectStore":
        if self._store is None:
            from obstore.store import LocalStore, from_url

            if self._folder is not None:  # must be there: one that is missing may be a disk that is
                self._store = LocalStore(self._folder, automatic_cleanup=True)
            else:
                client = CLIENT | {"allow_http": _is_in_the_clear()}
                self._store = from_url(self._url, client_options=client, retry_config=RETRIES)  # type: ignore[call-overload]
        return self._store


def library_problem() -> str:
    """What keeps objects from being kept here; "": nothing."""
    missing = [name for name in ("obstore", "PIL") if find_spec(name) is None]
    return f"takes Greenroom's extra `media`, which brings {' and '.join(missing)}" if missing else ""


def _is_in_the_clear() -> bool:
    """Is it a storage in one's own network that is reached so? The library does not ask one unless that is allowed."""
    return any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS)


def _unavailable(error: Exception) -> ObjectsUnavailable:
    """The first line: what follows it may quote requests."""
    said = str(error).partition("\n")[0]
    return ObjectsUnavailable(f"{type(error).__name__}: {said[:SAID_MAX]}")
