"""What root writes and changes where another account's folders are: nothing but what is ours."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.store.own.account import as_account, unprivileged_account
from greenroom.store.own.data_folder import SETTING
from greenroom.store.own.errors import OwnServerFailed
from greenroom.store.own.folders import give, read_lines, replace_text
from greenroom.store.own.servers import OwnServers

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root to become somebody else")


@pytest.fixture
def account(tmp_path: Path) -> pwd.struct_passwd:
    found = unprivileged_account(tmp_path / "none")
    assert found is not None
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("kind", ["link", "link of the unfinished", "hard link"])
def test_a_file_is_replaced_and_what_a_link_leads_to_is_left_alone(tmp_path: Path, kind: str) -> None:
    secret, conf = tmp_path / "secret", tmp_path / "own.conf"
    secret.write_text("kept")
    secret.chmod(0o600)
    match kind:
        case "link":
            conf.symlink_to(secret)
        case "link of the unfinished":
            (tmp_path / ".own.conf.new").symlink_to(secret)
        case _:
            os.link(secret, conf)
    replace_text(conf, "new\n", None)
    assert (secret.read_text(), mode(secret)) == ("kept", 0o600)
    assert (conf.read_text(), mode(conf), conf.is_symlink()) == ("new\n", 0o600, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.conf", "secret"]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1\n2\n")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    found = [read_lines(tmp_path / name) for name in ("file", "link", "fifo", "none", ".")]
    assert found == [["1", "2"], [], [], [], []]


@needs_root
def test_a_file_belongs_to_the_account_that_reads_it(tmp_path: Path, account: pwd.struct_passwd) -> None:
    replace_text(tmp_path / "own.conf", "new", account)
    found = (tmp_path / "own.conf").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (account.pw_uid, account.pw_gid, 0o600)


@needs_root
def test_a_link_in_the_place_of_a_folder_gives_nothing_away(tmp_path: Path, account: pwd.struct_passwd) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    (tmp_path / "run").symlink_to(ours)
    give(tmp_path / "run", account)
    assert ours.stat().st_uid == 0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[OwnServers]:
    made = OwnServers(tmp_path / "data", initdb_sync=False)
    yield made
    made.stop()


@needs_root
def test_links_in_the_folder_of_the_account_are_not_written_through(tmp_path: Path, servers: OwnServers) -> None:
    """At a later start, when that account has had its folders for long."""
    servers.start()
    servers.stop()
    victims = {}
    for name in ("postgres/greenroom.conf", "postgres/pg_ident.conf", "valkey/valkey.pid"):
        victim = victims[name] = tmp_path / name.replace("/", "-")
        victim.write_text("ours")
        victim.chmod(0o600)
        (servers._data_dir / name).unlink()
        (servers._data_dir / name).symlink_to(victim)
    servers.start()
    assert {(victim.read_text(), mode(victim)) for victim in victims.values()} == {("ours", 0o600)}
    for name in victims:
        found = (servers._data_dir / name).lstat()
        assert stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
        assert servers._account is not None and found.st_uid == servers._account.pw_uid


@needs_root
def test_a_closed_folder_above_is_refused_and_stays_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "below").mkdir()
    for folder in (closed / "data", closed / "below" / "data"):
        with pytest.raises(OwnServerFailed, match=rf"{closed} \(mode 700\).*{SETTING}"):
            OwnServers(folder, initdb_sync=False).start()
    (tmp_path / "link").symlink_to(closed / "below")
    with pytest.raises(OwnServerFailed, match=rf"{closed} \(mode 700\).*{SETTING}"):
        OwnServers(tmp_path / "link" / "data", initdb_sync=False).start()
    assert mode(closed) == 0o700


@needs_root
def test_closed_programs_are_refused_and_say_what_helps(
    tmp_path: Path, servers: OwnServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0o700)
    monkeypatch.setattr(servers, "_bin", closed / "bin")
    with pytest.raises(OwnServerFailed, match=rf"{closed} .*GREENROOM_DATABASE_URL"):
        servers.start()
    assert mode(closed) == 0o700


@needs_root
def test_the_data_folder_itself_is_ours_to_open(servers: OwnServers) -> None:
    servers._data_dir.mkdir(mode=0o700)
    servers.start()
    assert mode(servers._data_dir) == 0o701
    assert as_account(servers._account)["user"] != 0
