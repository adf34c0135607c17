"""Folders and files of our own servers: passable for their account, short enough for a socket's path."""

import hashlib
import os
import pwd
import stat
import tempfile
from pathlib import Path

import structlog

log = structlog.get_logger("greenroom.own_servers")


def let_through(folder: Path) -> None:
    """Let other accounts pass through (not list) a folder and those above it, as root."""
    for path in (folder, *folder.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            log.info("folder_opened_for_passing", folder=str(path))
            path.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


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
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def replace_text(path: Path, text: str) -> None:
    """Replace the file's text; readable by the servers' account, which owns its folder or may read what root wrote."""
    path.write_text(text)
    path.chmod(0o644)
