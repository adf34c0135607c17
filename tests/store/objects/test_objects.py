"""Objects, in a folder: what a bucket does as well."""

import sys
import threading
from pathlib import Path
from typing import Any

import obstore
import pytest
import trio

from greenroom.store.objects.in_threads import THREADS_MAX, ThreadedObjects
from greenroom.store.objects.objects import PIECE_BYTES, ObjectMissing, Objects, ObjectsUnavailable, library_problem


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    (tmp_path / "kept").mkdir()
    return Objects(f"file://{tmp_path}/kept")


def test_what_is_put_is_there_whole_and_in_part(objects: Objects, tmp_path: Path) -> None:
    data = bytes(range(256)) * 16_384
    objects.put("a/b", data)
    pieces = list(objects.pieces("a/b"))
    assert b"".join(pieces) == data and max(map(len, pieces)) < len(data), "in pieces"
    assert b"".join(objects.pieces("a/b", 256, 3)) == b"\0\1\2"
    assert b"".join(objects.pieces("a/b", len(data) - 1)) == b"\xff"
    assert list(objects.pieces("a/b", 0, 0)) == []
    objects.fetch("a/b", tmp_path / "fetched")
    objects.put("a/c", tmp_path / "fetched")
    assert b"".join(objects.pieces("a/c")) == data


def test_what_is_not_there_is_said_so_and_may_be_deleted(objects: Objects) -> None:
    with pytest.raises(ObjectMissing):
        next(objects.pieces("none"))
    objects.delete("none")
    objects.put("a", b"1")
    objects.delete("a")
    assert list(objects.names("")) == []


def test_names_are_of_whole_parts(objects: Objects) -> None:
    for name in ("a/1", "a/b/2", "ab/3"):
        objects.put(name, b"x")
    assert sorted(objects.names("a/")) == ["a/1", "a/b/2"]


def test_a_storage_that_fails_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    objects = Objects(f"file://{tmp_path}/kept")
    for act in (
        lambda: objects.put("a/b", b"1"),
        lambda: next(objects.pieces("a/b")),
        lambda: list(objects.names("a/")),
        lambda: objects.delete("a/b"),
    ):
        with pytest.raises(ObjectsUnavailable) as said:
            act()
        assert "\n" not in str(said.value), "what follows the first line quotes requests"


async def test_a_node_calls_it_in_threads(objects: Objects) -> None:
    threaded = ThreadedObjects(objects)
    data = bytes(3_000_000)
    await threaded.put("a", data)
    pieces = [piece async for piece in threaded.pieces("a", 1, 2_999_998)]
    assert sum(map(len, pieces)) == 2_999_998 and len(pieces) > 1
    await threaded.delete("a")
    with pytest.raises(ObjectMissing):
        await anext(threaded.pieces("a", 0, 1))


@pytest.mark.bound("calls of a node to the storage at once")
async def test_no_more_calls_wait_for_the_storage_than_may(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, most, go = 0, 0, threading.Event()

    def slow(name: str, data: bytes) -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        go.wait(10)
        waiting -= 1

    monkeypatch.setattr(objects, "put", slow)
    threaded = ThreadedObjects(objects)
    async with trio.open_nursery() as nursery:
        for number in range(THREADS_MAX + 3):
            nursery.start_soon(threaded.put, str(number), b"")
        while waiting < THREADS_MAX:
            await trio.lowlevel.checkpoint()
        assert threaded._threads.statistics().tasks_waiting == 3
        go.set()
    assert most == THREADS_MAX


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library_problem() == ""
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert library_problem() == "takes Greenroom's extra `media`, which brings obstore"


def test_each_piece_is_a_request_of_its_own_and_is_whole_before_it_is_given_out(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket has its time for all of a request: whoever reads slowly, or reads much, is not to run out of it."""
    data = bytes(range(256)) * 10_000
    objects.put("a", data)
    ranges: list[tuple[int, int]] = []
    get = obstore.get

    def noted(store: Any, name: str, *, options: Any) -> Any:
        ranges.append(options["range"])
        return get(store, name, options=options)

    monkeypatch.setattr(obstore, "get", noted)
    pieces = objects.pieces("a", 5)
    first = next(pieces)
    assert len(ranges) == 1 and len(first) == PIECE_BYTES
    assert first + b"".join(pieces) == data[5:]
    assert ranges[1][0] == ranges[0][1] and all(end - begin <= PIECE_BYTES for begin, end in ranges)
    assert len(ranges) == 3


def test_all_below_a_name_is_cleared_away_with_what_a_kill_has_left_there(objects: Objects, tmp_path: Path) -> None:
    for name in ("a/1", "a/b/2", "ab/3"):
        objects.put(name, b"x")
    (tmp_path / "kept" / "a" / "4#1").write_bytes(b"half of a write")
    assert sorted(objects.clear("a/")) == ["a/1", "a/b/2"]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["ab"]
    assert list(objects.clear("a/")) == []
    for nothing in ("", "/", "a"):
        with pytest.raises(AssertionError):
            next(objects.clear(nothing))
    assert list(objects.clear("ab/")) == ["ab/3"]
    objects.put("a/1", b"the folder itself stays")


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """It may be a disk that is not there: what is written beside it would be lost to all."""
    with pytest.raises(ObjectsUnavailable):
        Objects(f"file://{tmp_path}/none").put("a", b"1")
    assert not (tmp_path / "none").exists()
