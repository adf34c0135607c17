"""Exposures as files of JSON lines."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.sinks.errors import Unreachable
from greenroom.actors.sinks.installed import InstalledSink
from greenroom.actors.social.ranking import sink as module
from greenroom.actors.social.ranking.events import EngagedWith, Exposed
from greenroom.actors.social.ranking.features import Features
from greenroom.actors.social.ranking.sink import Exposures, LineFiles
from greenroom.config.limits import SinkConfig
from greenroom.config.settings import load_settings
from greenroom.testing import deliver
from tests.actors.social.ranking.made import post, shown

EVENTS = [
    ("features:ann", Exposed(items=[shown(1, "bob", recency=0.5)])),
    ("features:cat", EngagedWith(author="bob", post=post(1), did="like")),
    ("features:ann", EngagedWith(author="bob", post=post(1), did="share")),
]


def sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.iterdir()]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_bytes().splitlines()]


async def test_each_event_is_a_line_as_a_webhook_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    await deliver(Exposures(SinkConfig(exposures=folder)), EVENTS, batch_events=2)
    found = lines(folder)
    assert [(one["entity"], one["offset"], one["type"]) for one in found] == [
        ("features:ann", 1, "features.exposed"),
        ("features:cat", 1, "features.engaged_with"),
        ("features:ann", 2, "features.engaged_with"),
    ]
    assert found[0]["data"]["items"] == [
        {"post": post(1), "author": "bob", "did": "seen", "features": {"recency": 0.5}}
    ]
    assert {"epoch", "at", "user"} <= found[0].keys()


async def test_without_a_folder_it_says_which_setting_is_missing() -> None:
    with pytest.raises(Unreachable, match="GREENROOM_RANKING_EXPOSURES"):
        await deliver(Exposures, EVENTS)
    assert load_settings(ranking_exposures="/srv/exposures").sink.exposures == Path("/srv/exposures")


def test_it_can_be_installed_beside_features() -> None:
    assert InstalledSink(Exposures, Kinds([Features])).name == "exposures"


async def test_a_full_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 300)
    await deliver(Exposures(SinkConfig(exposures=tmp_path)), EVENTS * 3, batch_events=1)
    assert len(lines(tmp_path)) == 9 and len(sizes(tmp_path)) > 3
    assert max(sizes(tmp_path)) <= 300


@pytest.mark.bound("files of exposures in a folder")
def test_of_too_many_files_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 1)
    monkeypatch.setattr(module, "FILES_MAX", 3)
    (tmp_path / "somebody-elses.jsonl").write_bytes(b"{}")
    files = LineFiles(tmp_path)
    for number in range(6):
        files.write(b"%d\n" % number)
        newest = max(tmp_path.glob("exposures-*"))
        os.utime(newest, ns=(number, number))
    files.close()
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"3\n", b"4\n", b"5\n", b"{}"]


def test_after_a_disk_that_failed_another_file_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = LineFiles(tmp_path)
    files.write(b"1\n")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError):
            files.write(b"2\n")
    files.write(b"2\n")
    files.close()
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"1\n2\n", b"2\n"]


def test_two_processes_never_write_into_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.0)
    one, other = LineFiles(tmp_path), LineFiles(tmp_path)
    one.write(b"1\n")
    with pytest.raises(FileExistsError):
        other.write(b"2\n")
    one.close()
