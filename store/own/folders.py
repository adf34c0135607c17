"""Folders and files of our own servers: within reach of their account, short enough for a socket's path.

As root we write into folders that belong to another account. So no link is followed there.
"""

import hashlib
import os
import pwd
import stat
import tempfile
from pathlib import Path

import structlog

from greenroom.store.own.errors import OwnServerFailed

log = structlog.get_logger("greenroom.own_servers")


def check_reached(folder: Path, account: pwd.struct_passwd, remedy: str) -> None:
    """Refuse when a folder above `folder` keeps `account` out. None of them is ours to open: who closed it may have
    meant it, for whatever else is in it. `remedy` says what to do instead.

    Raises: OwnServerFailed.
    """
    for path in (*folder.parents, *folder.resolve().parents):
        found = path.stat()
        if not _may_pass(found, account):
            closed = f"{path} (mode {stat.S_IMODE(found.st_mode):o}) keeps from {folder}; {remedy}"
            raise OwnServerFailed(f"started as root, Postgres and Valkey run as {account.pw_name}, whom {closed}")


def let_in(folder: Path, account: pwd.struct_passwd) -> None:
    """Let `account` pass through (not list) a folder of our own. Raises: OwnServerFailed when it is somebody else's."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = os.fstat(descriptor)
        if _may_pass(found, account):
            return
        if found.st_uid != os.geteuid():
            raise OwnServerFailed(f"{folder} belongs to the account with id {found.st_uid}, not to ours")
        log.info("folder_opened_for_passing", folder=str(folder))
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
    finally:
        os.close(descriptor)


def _may_pass(found: os.stat_result, account: pwd.struct_passwd) -> bool:
    if found.st_uid == account.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.pw_gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def give(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Make `folder` if need be, for `account` alone. What is a link by now stays where it leads."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)


def short_run_dir(data_dir: Path, account: pwd.struct_passwd | None) -> Path:
    """A private folder with a short path, the same at each start; a fresh one if somebody sits on that name."""
    name = f"greenroom-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
    folder = Path(tempfile.gettempdir()) / name
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        owners = {os.geteuid(), account.pw_uid if account else os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
            return Path(tempfile.mkdtemp(prefix="greenroom-"))
    return folder


def read_lines(path: Path) -> list[str]:
    """Of a file that the servers' account may have written: [] when it is none, a link included."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, errors="replace") as file:
            return file.read().splitlines() if stat.S_ISREG(os.fstat(descriptor).st_mode) else []
    except OSError:
        return []


def replace_text(path: Path, text: str, account: pwd.struct_passwd | None) -> None:
    """Replace the file by a new one that `account`, else ours, alone may read.

    The folder may be that account's, and we be root: whatever lies there under a name, a link to a file of ours
    included, is replaced and never written to. Raises: OSError.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        if account is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
        os.fsync(descriptor)
    unfinished.replace(path)
