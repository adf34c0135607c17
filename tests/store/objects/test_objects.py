"""Objects, in a folder, and in a bucket of what speaks S3."""

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs

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


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as is asked for here: objects of one bucket, in memory."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    signed: ClassVar[list[str]] = []

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.signed.append(self.headers["Authorization"])
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, ETag='"1"')

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if query:
            prefix = "/".join(("", "bucket", parse_qs(query)["prefix"][0]))
            found = [name.removeprefix("/bucket/") for name in sorted(self.objects) if name.startswith(prefix)]
            rows = "".join(
                f"<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>1</Size></Contents>"
                for name in found
            )
            self._answer(200, f"<ListBucketResult>{rows}</ListBucketResult>".encode())
        elif path not in self.objects:
            self._answer(404)
        else:
            first, last = (int(one) for one in self.headers["Range"].removeprefix("bytes=").split("-"))
            whole = self.objects[path]
            part = whole[first : last + 1]
            span = f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
            self._answer(206, part, Content_Range=span, ETag='"1"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    def do_POST(self) -> None:
        """Delete those that the body names."""
        names = re.findall(r"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode())
        for name in names:
            self.objects.pop(f"/bucket/{name}", None)
        gone = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
        self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_bucket_of_ones_own_network_is_asked_where_the_environment_says_that_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as served:
        served.block_on_close = False
        Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{served.server_port}")
        for name, value in (("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "key"), ("REGION", "eu-central-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        objects = Objects("s3://bucket/media")
        objects.put("a/1", b"0123456789")
        assert list(Bucket.objects) == ["/bucket/media/a/1"] and "Credential=id/" in Bucket.signed[0]
        assert b"".join(objects.pieces("a/1", 2, 5)) == b"23456"
        assert list(objects.names("a")) == ["a/1"]
        with pytest.raises(ObjectMissing):
            list(objects.pieces("a/2"))
        objects.delete("a/1")
        assert not Bucket.objects and list(objects.names("a")) == []
        served.shutdown()
