"""Whom our own servers run as."""

import os
import pwd
from pathlib import Path

import pytest

from greenroom.store.own.account import as_account, unprivileged_account
from greenroom.store.own.errors import OwnServerFailed


def account(name: str, uid: int) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid + 1, "", "/", ""))


def known(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """We are root, and the machine knows these accounts."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", {name: account(name, 100 + at) for at, name in enumerate(names)}.__getitem__)


def test_whoever_is_no_root_stays_who_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged_account(tmp_path) is None and as_account(None) == {}


def test_root_becomes_postgres_or_else_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, "nobody")
    found = unprivileged_account(tmp_path / "none")
    assert found is not None and found.pw_name == "nobody"
    known(monkeypatch, "nobody", "postgres")
    found = unprivileged_account(tmp_path / "none")
    assert found is not None and found.pw_name == "postgres"
    assert as_account(found) == {"user": 101, "group": 102, "extra_groups": []}
    known(monkeypatch)
    with pytest.raises(OwnServerFailed, match="neither postgres nor nobody"):
        unprivileged_account(tmp_path / "none")


def test_a_cluster_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, "postgres")
    owners = {77: account("owner", 77)}
    monkeypatch.setattr(pwd, "getpwuid", owners.__getitem__)
    monkeypatch.setattr(Path, "stat", lambda self, **_: os.stat_result((0o700, 0, 0, 0, 77, 0, 0, 0, 0, 0)))
    found = unprivileged_account(tmp_path)
    assert found is not None and found.pw_name == "owner"
