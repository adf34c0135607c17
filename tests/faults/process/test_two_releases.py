"""Servers of two checkouts on one database: a release is rolled out, and back, and out again. Nothing that was
acknowledged is lost, and what the older one lacks is refused for the time being.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import ROOT, Answer, Server, wait_until
from tests.faults.process.command_line import CommandLine
from tests.faults.process.releases import checkouts

SHARDS = 16  # few are handed over in few steps, two seconds apart; of fewer the third may well get none
KEYS = [f"k{number}" for number in range(12)]
PROGRAM = (sys.executable, "-m", "greenroom.supervisors")
MANY = 40  # commands: with so many events a snapshot is worth it


class Release:
    """Starts servers of its checkout."""

    def __init__(self, folder: Path, made: ExitStack, **settings: str) -> None:
        self.folder = folder
        self._made = made
        self._settings = settings | {"GREENROOM_NODES": "0", "GREENROOM_ENTITIES": "tallies"}
        self._settings["GREENROOM_SHARDS"] = str(SHARDS)

    def server(self) -> Server:
        path = os.pathsep.join((str(self.folder), str(ROOT)))
        server = Server(cwd=ROOT, program=PROGRAM, options=(), PYTHONPATH=path, **self._settings)
        self._made.callback(server.remove)
        server.start()
        return server


@pytest.fixture
def releases(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[Release, Release]]:
    with ExitStack() as made:
        shared = {"GREENROOM_DATABASE_URL": database_url, "GREENROOM_REDIS_URL": redis_url}
        older, newer = (Release(folder, made, **shared) for folder in checkouts(tmp_path))
        yield older, newer


class Counting:
    """What was acknowledged of each tally."""

    def __init__(self) -> None:
        self.totals: defaultdict[str, int] = defaultdict(int)
        self.notes: defaultdict[str, list[str]] = defaultdict(list)

    def count(self, server: Server, key: str, note: str = "") -> None:
        fields: dict[str, Any] = {"by": 1, "note": note} if note else {"by": 1}
        assert server.command(f"tally:{key}", "count", fields)["total"] == self.totals[key] + 1
        self.totals[key] += 1
        if note:
            self.notes[key].append(note)

    def halve(self, server: Server, key: str) -> None:
        assert server.command(f"tally:{key}", "halve")["total"] == self.totals[key] // 2
        self.totals[key] //= 2


def shards(server: Server) -> int:
    return int(server.request("GET", "/health").body["shards_owned"])


def owns(server: Server, share: float) -> Callable[[], bool]:
    return lambda: shards(server) == int(SHARDS * share)


def refused_for_now(answer: Answer) -> bool:
    if answer.status == 200:
        return False
    assert answer.status == 503 and "retry-after" in answer.headers, answer
    assert answer.body["error"]["name"] == "not_in_release" and answer.body["error"]["temporary"]
    return True


def test_a_release_is_rolled_out_and_back_and_out_again(releases: tuple[Release, Release]) -> None:
    older, newer = releases
    said = Counting()
    old, other_old = older.server(), older.server()
    for key in KEYS:
        said.count(old, key)
    assert old.request("POST", "/api/poll/a/vote", {}).status == 404, "nobody has such a kind"

    # One of three: it is not to bear what three did, so what the older ones own they keep.
    new = newer.server()
    wait_until(lambda: 0 < shards(new) < SHARDS // 2, "its part", within_s=60)
    for kind, command in (("poll", "vote"), ("tally", "halve")):
        assert refused_for_now(old.request("POST", f"/api/{kind}/k0/{command}", {}))
    assert refused_for_now(old.request("POST", "/api/tally/k0/count", {"by": 1, "note": "x"}))
    assert refused_for_now(old.request("GET", "/api/poll/k0"))
    for key in KEYS:
        said.count(new, key)
        answer = new.request("POST", f"/api/tally/{key}/count", {"by": 1, "note": "early"})
        if not refused_for_now(answer):
            said.totals[key] += 1
            said.notes[key].append("early")

    # One of two: it has half of the capacity, and gets all shards.
    assert other_old.stop() == 0
    wait_until(owns(new, 1.0), "the older one to give way", within_s=90)
    for key in KEYS:
        said.count(new, key, note=f"{key} of the newer")
        said.count(old, key)
        assert new.command(f"poll:{key}", "vote") == {"total": 1}
        assert refused_for_now(old.request("POST", f"/api/poll/{key}/vote", {}))
    said.halve(new, "k1")

    # Back: the older one has all of it, counts on, and keeps what it does not read.
    assert new.stop() == 0
    wait_until(owns(old, 1.0), "all to be handed to the older one", within_s=30)
    for key in KEYS[2:4]:
        for _ in range(MANY):
            said.count(old, key)
    for key in KEYS[4:]:
        said.count(old, key)
    assert old.request("GET", "/api/tally/k2").body["view"] == {"total": said.totals["k2"]}
    assert refused_for_now(old.request("GET", "/api/poll/k0")), "it is known that there is such a kind"
    assert refused_for_now(old.request("POST", "/api/tally/k1/count", {})), "it can't read an event of it"

    # And out again.
    new = newer.server()
    assert old.stop() == 0
    wait_until(owns(new, 1.0), "all to be handed to the newer one", within_s=30)
    for key in KEYS:
        said.count(new, key)
        view = new.request("GET", f"/api/tally/{key}").body["view"]
        assert view == {"total": said.totals[key], "notes": said.notes[key]}
        assert new.request("GET", f"/api/poll/{key}").body["view"] == {"votes": 1}
    assert new.stop() == 0


def test_the_lock_of_the_older_release_says_what_it_lacks(command_line: CommandLine, tmp_path: Path) -> None:
    older, newer = checkouts(tmp_path)
    settings = {"GREENROOM_ENTITIES": "tallies"}
    assert command_line.run(["schema", "--update"], settings, folder=older).status == 0
    lock = str(older / "schema.lock.json")
    found = command_line.run(["schema", "--beside", lock], settings, folder=newer)
    assert found.out.splitlines() == [
        "kind poll: not known there; temporarily refused",
        "tally: command tally.count: read there without note",
        "tally: command tally.halve: temporarily refused there",
        "tally: event tally.counted: read there without note",
        "tally: event tally.halved: can't be read there: not known there",
    ]
    assert found.status == 1 and "1 events can't be read by the release of" in found.err

    code = (newer / "tallies.py").read_text()
    (newer / "tallies.py").write_text(code.replace("events = (Counted, Halved)", "events = (Counted,)"))
    found = command_line.run(["schema", "--beside", lock], settings, folder=newer)
    assert found.status == 0 and "halved" not in found.out
    same = command_line.run(["schema", "--beside", lock], settings, folder=older)
    assert same.status == 0 and same.out == "it lacks nothing\n"
    assert command_line.run(["schema", "--beside", "none.json"], settings, folder=older).status == 1
    assert command_line.run(["schema", "--check", "--beside", lock], settings, folder=older).status == 2
