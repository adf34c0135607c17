"""The folder of an attempt."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from greenroom.actors.media.cutting.workplace import HELD, PREFIX, UNHELD_S, workplace

HOLDS = """
from greenroom.actors.media.cutting.workplace import workplace
with workplace() as place:
    (place / "original").write_bytes(b"x")
    print(place, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@contextmanager
def held_elsewhere(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """By another process: of which it says nothing in which container it runs, or on which machine."""
    environment = {**os.environ, "TMPDIR": str(root)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_it_is_emptied() -> None:
    with workplace() as place:
        (place / "original").write_bytes(b"x")
    assert not place.exists()


def test_that_of_one_that_was_killed_goes_and_that_of_one_that_works_stays(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as (process, theirs), workplace() as ours:
        with workplace():
            assert (theirs / "original").exists() and ours.exists()
        process.kill()
        process.wait()
        with workplace():
            assert not theirs.exists() and ours.exists()


def test_one_that_nobody_holds_yet_stays_for_a_day(tmp_path: Path) -> None:
    new, old = tmp_path / f"{PREFIX}new", tmp_path / f"{PREFIX}old"
    for folder in (new, old):
        folder.mkdir()
    os.utime(old, (0, old.stat().st_mtime - UNHELD_S - 60))
    with workplace() as place:
        assert new.exists() and not old.exists() and (place / HELD).exists()
