"""`greenroom explain`, as users run it, with a server running and without one."""

import json
from collections.abc import Iterator

import pytest

from greenroom.supervisors.admin.explaining import Explanation, Folding, Placed, Snapshot, Stored, Timer
from greenroom.supervisors.admin.told import Failed
from greenroom.supervisors.cli.explain import rows_of
from tests.e2e.server import Server
from tests.faults.process.command_line import CommandLine
from tests.supervisors.admin.telling import told_of_entity


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    server.command("room:lobby", "send", {"text": "hi"})
    yield server
    server.remove()


def test_a_running_server_says_what_it_has_in_memory(server: Server, command_line: CommandLine) -> None:
    ran = command_line.greenroom(server, "explain", "room:lobby")
    assert (ran.status, ran.err) == (0, "")
    for words in ("for its last message", "offset 2, 2 events kept", "alone when it started", "up, lease", "by nobody"):
        assert words in ran.out, ran.out
    found = json.loads(command_line.greenroom(server, "explain", "room:lobby", "--json").out)
    assert found["told"]["awake"] and found["stored"]["offset"] == 2
    asleep = command_line.greenroom(server, "explain", "room:nobody")
    assert "no, it sleeps" in asleep.out and "nothing is stored of it" in asleep.out


def test_a_viewers_token_will_do_and_another_will_not(server: Server, command_line: CommandLine) -> None:
    viewer = server.token("vera", roles=["viewer"])
    ran = command_line.greenroom(server, "explain", "room:lobby", "--token", viewer)
    assert ran.status == 0 and "for its last message" in ran.out
    service = server.token("bot", roles=["service"])
    ran = command_line.greenroom(server, "explain", "room:lobby", "--token", service)
    assert ran.status == 0 and "answers 403" in ran.out, "and the database still says what it knows"


def test_with_no_server_there_is_the_database(server: Server, command_line: CommandLine) -> None:
    server.stop()
    try:
        ran = command_line.greenroom(server, "explain", "room:lobby")
        assert ran.status == 0
        for words in ("not known: no node that is alive owns it", "the node that had it has stopped", "offset 2"):
            assert words in " ".join(ran.out.split()), ran.out
        asked = command_line.greenroom(server, "explain", "room:lobby", "--url", "http://127.0.0.1:1")
        assert asked.status == 0 and "does not answer" in asked.out
    finally:
        server.start()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "not kind:key"),
        ("room:", "not kind:key"),
        ("ghost:a", "no kind ghost is installed, only job, queue, room, schedule, schedules, session"),
    ],
)
def test_a_name_that_is_none_is_bad_usage(server: Server, command_line: CommandLine, name: str, words: str) -> None:
    ran = command_line.greenroom(server, "explain", name)
    assert ran.status == 2 and words in ran.err and ran.out == "" and "Traceback" not in ran.err


def test_all_that_can_be_said_is_said() -> None:
    found = Explanation(
        entity="room:a",
        kind="room",
        installed=True,
        durable=True,
        place=Placed(shard=3, shards=16, node="ab", url="http://n", state="up", lease_left_s=4.0, term=2, why="So."),
        stored=Stored(
            epoch="e", offset=9, term=2, activation=1, claimed_by="ab", trimmed=4, last_at_ms=None,
            snapshot=Snapshot(8, 100, None), timers=10_000, outbox=0, marks=1, kept_ids=2,
        ),
        timers=[Timer("wake", 0)],
        outbox=[],
        letters=[],
        letters_count=0,
        views=[
            Folding(
                name="board", kind="view", version=2, build=3, state="live", paused=True, offset=7, behind=2, parked=8,
                error="bang",
            )
        ],
        told=told_of_entity(
            idle_s=1.0, waits=3, waits_bytes=30, waits_s=0.5, flights=2, suspects=1, restarts=4, departing=True,
            failures=[Failed(0, "room:a", "restarted", "boom")],
        ),
    )  # fmt: skip
    text = "\n".join(f"{name}: {value}" for name, value in rows_of(found))
    for words in (
        "shard: 3 of 16, term 2",
        "3 messages of 30 bytes, the oldest for 0.5 s",
        "2 bursts wait",
        "handled one by one",
        "restarts: 4",
        "on its way to another node",
        "restarted: boom",
        "5 events kept",
        "snapshot: offset 8, 100 bytes",
        "timers: 10000 or more",
        "view: board 2 (3), live, paused: up to 7, 2 behind, parked at event 8: bang",
        "1970-01-01 00:00:00+00:00  wake",
    ):
        assert words in text, text


def test_of_one_that_is_down_and_has_no_journal() -> None:
    found = Explanation(
        entity="brief:a", kind="brief", installed=True, durable=False,
        place=Placed(shard=None, shards=0, why="No node."),
        stored=None, timers=[], outbox=[], letters=[], letters_count=0, told=told_of_entity(awake=False, down_s=2.5),
    )  # fmt: skip
    text = dict(rows_of(found))
    assert text["journal"] == "it has none" and text["kind"] == "brief, which has no journal"
    assert text["awake"] == "no: it failed, and is kept down for 2.5 s" and text["node"] == "nobody's"
