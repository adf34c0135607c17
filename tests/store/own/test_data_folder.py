"""The data folder: private, locked for one server at a time, and its errors name the folder and the setting."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from greenroom.store.own.data_folder import DataFolder, DataFolderBusy, DataFolderUnsafe, DataFolderUnwritable

HOLD = """
import sys, signal, pathlib
from greenroom.store.own.data_folder import DataFolder
DataFolder(pathlib.Path(sys.argv[1])).open()
print("held", flush=True)
signal.pause()
"""


def test_it_is_made_private_with_its_parents(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "a" / "b") as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_second_server_on_the_same_folder_is_told_who_holds_it_until_that_one_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataFolderBusy) as caught:
            DataFolder(tmp_path).open()
        assert f"process {holder.pid}" in str(caught.value)
        assert "a second server on the same data folder" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with DataFolder(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_closing_lets_the_next_one_in(tmp_path: Path) -> None:
    first = DataFolder(tmp_path).open()
    with pytest.raises(DataFolderBusy):
        DataFolder(tmp_path).open()
    first.close()
    DataFolder(tmp_path).open().close()


def test_a_folder_that_cannot_be_written_names_itself_and_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataFolderUnwritable, match=r"file/below.*GREENROOM_DATA_DIR"):
        DataFolder(tmp_path / "file" / "below").open()

    def read_only(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")  # a root-run test can't be refused by permissions

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(DataFolderUnwritable, match=r"Read-only file system.*GREENROOM_DATA_DIR"):
        DataFolder(tmp_path).open()


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        secret = folder.secret("auth")
        assert len(bytes.fromhex(secret)) == 32
        assert stat.S_IMODE((tmp_path / "auth.secret").stat().st_mode) == 0o600
        assert folder.secret("auth") == secret
        assert folder.secret("other") != secret
    with DataFolder(tmp_path) as folder:
        assert folder.secret("auth") == secret


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_may_write_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    """A secret that somebody else has planted there would be believed."""
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "auth.secret").write_text("planted\n")
    folder.chmod(mode)
    for use in (lambda: DataFolder(folder).open(), lambda: DataFolder(folder).secret("auth")):
        with pytest.raises(DataFolderUnsafe, match=rf"shared may be .*mode {mode:o}.*GREENROOM_DATA_DIR"):
            use()
    assert stat.S_IMODE(folder.stat().st_mode) == mode


def test_a_folder_or_secret_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(DataFolderUnsafe, match=rf"belongs to the account with id {os.getuid()}"):
        DataFolder(tmp_path).open()


def test_a_secret_that_others_may_read_or_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    secret = tmp_path / "auth.secret"
    secret.write_text("a" * 64)
    secret.chmod(0o644)
    with pytest.raises(DataFolderUnsafe, match=r"auth\.secret may be read .*chmod 600"):
        folder.secret("auth")
    secret.unlink()
    (tmp_path / "elsewhere").write_text("a" * 64)
    secret.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataFolderUnwritable):
        folder.secret("auth")
