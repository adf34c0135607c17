"""The data folder: where a server without a database of its own keeps one, and where local secrets live.

It must be ours and nobody else's to write: a secret that somebody else has put there would be believed, and with it
every token they sign. What is not so is refused, never set right, for somebody may have meant it.

Only one server at a time may use it. A lock of the kernel's (`flock`) says so, since it ends with its holder, however
that dies; the holder's pid in the file is for the error message.
"""

import fcntl
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

SETTING = "GREENROOM_DATA_DIR"


class DataFolderError(Exception):
    """The data folder cannot be used; the text says why and is meant for whoever starts the server."""


class DataFolderBusy(DataFolderError):
    """Another server is using it."""


class DataFolderUnwritable(DataFolderError):
    """It can't be made or written: permissions, a read-only or full disk, a file in the way."""


class DataFolderUnsafe(DataFolderError):
    """It, or a secret in it, belongs to another account, or others may write it."""


class DataFolder:
    """A private folder, locked from `open` to `close`. Blocking: for the start of the process, before trio runs."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def open(self) -> Self:
        """Make the folder if need be, and lock it. Raises: DataFolderBusy, DataFolderUnwritable, DataFolderUnsafe."""
        try:
            self._make()
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
            os.close(lock)
            raise DataFolderBusy(
                f"a second server on the same data folder: {self.path} is in use by process {holder or 'unknown'}; "
                f"stop that one, or choose another folder with {SETTING}"
            ) from None
        except OSError as error:
            os.close(lock)
            raise self._unwritable(error) from error
        self._lock = lock
        return self

    def close(self) -> None:
        """Let another server have it. The lock file stays: removing it would let two servers lock two files."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str, *, random_bytes: int = 32) -> str:
        """The secret kept under `name`, made on first use: hex of `random_bytes` bytes, readable by us alone.

        Raises: DataFolderUnwritable, DataFolderUnsafe.
        """
        path = self.path / f"{name}.secret"
        try:
            self._make()  # `greenroom token` comes before the first start
            return self._kept(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._unwritable(error) from error
        value = secrets.token_hex(random_bytes)
        unfinished = path.with_suffix(".new")
        try:
            # Written aside and renamed, so that a crash leaves no half of a secret.
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(value + "\n")
                file.flush()
                os.fsync(descriptor)
            unfinished.replace(path)
        except OSError as error:
            raise self._unwritable(error) from error
        return value

    def _make(self) -> None:
        """Raises: DataFolderUnsafe, OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check(self.path, self.path.stat(), others=stat.S_IWGRP | stat.S_IWOTH, remedy="chmod go-w")

    def _kept(self, path: Path) -> str:
        """Raises: FileNotFoundError when there is none yet, DataFolderUnsafe, OSError."""
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            self._check(path, os.fstat(file.fileno()), others=stat.S_IRWXG | stat.S_IRWXO, remedy="chmod 600")
            return file.read().strip()

    def _check(self, path: Path, found: os.stat_result, *, others: int, remedy: str) -> None:
        """Raises: DataFolderUnsafe unless `path` is ours, and `others` may do none of these."""
        if found.st_uid != os.geteuid():
            wrong = f"belongs to the account with id {found.st_uid}, not to ours ({os.geteuid()})"
        elif found.st_mode & others:
            wrong = (
                f"may be read or written by other accounts (mode {stat.S_IMODE(found.st_mode):o}): `{remedy} {path}`"
            )
        else:
            return
        raise DataFolderUnsafe(f"{path} {wrong}; nothing in it is used. Or choose another folder with {SETTING}")

    def _unwritable(self, error: OSError) -> DataFolderUnwritable:
        return DataFolderUnwritable(
            f"cannot write to the data folder {self.path}: {error.strerror or error}; "
            f"make it writable, or choose another folder with {SETTING}"
        )

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
