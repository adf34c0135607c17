"""`greenroom views` beside a server that runs, and views of a server that is killed."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.e2e.server import Server
from tests.faults.process.command_line import CommandLine

UNTIL_S = 30.0
ENTITIES = "tests.actors.views.shows"


def views(command_line: CommandLine, server: Server) -> dict[str, Any]:
    """By name; of one that has several tables the newest."""
    ran = command_line.greenroom(server, "views", "--json")
    assert ran.status == 0 and ran.err == "", ran
    return {one["name"]: one for one in sorted(json.loads(ran.out), key=lambda one: one["build"])}


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + UNTIL_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_behind_and_parked_is_shown_and_can_be_mended(command_line: CommandLine) -> None:
    server = Server(GREENROOM_ENTITIES=ENTITIES)
    try:
        server.start()
        for user in ("ann", "poison", "bob"):
            server.command("show:finale", "clap", {"user": user})
        until(lambda: views(command_line, server)["standings"]["parked"] == 1)
        one = views(command_line, server)["standings"]
        assert (one["version"], one["state"], one["paused"], one["kept_up"]) == (1, "live", False, True)
        assert one["parked_entities"][0]["entity"] == "show:finale"
        shown = command_line.greenroom(server, "views")
        assert shown.status == 0 and "standings" in shown.out and "show:finale at event 2" in shown.out
        parked = command_line.greenroom(server, "views", "parked", "standings")
        assert parked.status == 0 and "in fold" in parked.out and "poison" in parked.out
        metrics = server.request("GET", "/metrics").body.decode()
        assert re.search(r'^greenroom_view_parks_total{.*view="standings".*} 1', metrics, re.MULTILINE), metrics

        assert command_line.greenroom(server, "views", "retry-parked", "standings").out == "1 to be tried again\n"
        until(lambda: views(command_line, server)["standings"]["parked"] == 1)  # its fold is as it was
        other = command_line.greenroom(server, "views", "retry-parked", "standings", "--entity", "show:other")
        assert other.status == 1 and "show:other is not parked" in other.err

        assert command_line.greenroom(server, "views", "pause", "shows").out == "shows is paused\n"
        assert views(command_line, server)["shows"]["paused"]
        assert command_line.greenroom(server, "views", "resume", "shows").out == "shows is resumed\n"

        nothing = command_line.greenroom(server, "views", "drop-old", "shows")
        assert nothing.status == 1 and "no old table" in nothing.err
        kept = command_line.run(["views", "drop-old", "shows", "--whole"], server._environment())
        assert kept.status == 2 and "take it out of the code" in kept.err
        assert command_line.greenroom(server, "views", "rebuild", "shows").status == 0
        until(lambda: views(command_line, server)["shows"]["state"] == "live")
        assert views(command_line, server)["shows"]["build"] == 2
        assert command_line.greenroom(server, "views", "drop-old", "shows").out == "dropped 1\n"
        for command in ("pause", "resume", "rebuild", "parked", "retry-parked", "drop-old"):
            nobody = command_line.greenroom(server, "views", command, "nobody")
            assert nobody.status == 1 and "no view nobody" in nobody.err, command
    finally:
        server.remove()


def test_a_server_that_is_killed_again_and_again_counts_each_event_once(
    command_line: CommandLine, database_url: str
) -> None:
    server = Server(GREENROOM_ENTITIES=ENTITIES, GREENROOM_DATABASE_URL=database_url)
    try:
        server.start()
        for _ in range(3):
            stop = threading.Event()

            def clap() -> None:
                number = 0
                while not stop.is_set():  # noqa: B023
                    number += 1
                    try:
                        server.command(f"show:{number % 5}", "clap", {"user": f"user{number % 3}"})
                    except (OSError, AssertionError):
                        return

            clapping = [threading.Thread(target=clap) for _ in range(4)]
            for thread in clapping:
                thread.start()
            time.sleep(1.0)
            server.kill()
            stop.set()
            for thread in clapping:
                thread.join()
            server.start()
        until(lambda: views(command_line, server)["everything"]["events_behind"] == 0)
        shows = {number: server.request("GET", f"/api/show/{number}").body["view"]["total"] for number in range(5)}
        claps = table(database_url, 'SELECT "show", sum(claps) FROM views.standings GROUP BY 1')
        assert {int(show): total for show, total in claps} == {key: total for key, total in shows.items() if total}
        assert table(database_url, "SELECT sum(claps) FROM views.everything") == [(sum(shows.values()),)]
    finally:
        server.remove()


CHANGED = """
from msgspec import Struct

from greenroom import Key, View
from tests.actors.views.shows import Clapped


class Standings(View{arguments}):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]

    def fold(self, event, of):
        self.row(show=of.key)
"""


@pytest.mark.parametrize(
    ("arguments", "status", "said"), [("", 1, "make it version=2"), (', name="show"', 2, "is the name of a kind")]
)
def test_a_view_that_does_not_fit_stops_the_start(
    database_url: str, tmp_path: Path, arguments: str, status: int, said: str
) -> None:
    server = Server(GREENROOM_ENTITIES=ENTITIES, GREENROOM_DATABASE_URL=database_url)
    other = Server(cwd=tmp_path, GREENROOM_ENTITIES=f"{ENTITIES}:Show,changed", GREENROOM_DATABASE_URL=database_url)
    (tmp_path / "changed.py").write_text(CHANGED.replace("{arguments}", arguments))
    try:
        server.start()
        server.stop()
        other.launch()
        assert other._process is not None and other._process.wait(60) == status
        assert said in other.log() and "Traceback" not in other.log()
    finally:
        server.remove()
        other.remove()


def table(database_url: str, query: str) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(database_url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_sink_is_listed_and_delivers_again(command_line: CommandLine, tmp_path: Path) -> None:
    came = tmp_path / "came"
    came.touch()
    server = Server(GREENROOM_ENTITIES=f"{ENTITIES},tests.actors.sinks.shows_sink", GREENROOM_TEST_SINK_FILE=str(came))
    try:
        server.start()
        for show in ("a", "a", "b"):
            server.command(f"show:{show}", "clap", {"user": "ann"})
        until(lambda: len(came.read_text().splitlines()) == 3)
        until(lambda: views(command_line, server)["to_file"]["entities_behind"] == 0)
        assert views(command_line, server)["to_file"]["kind"] == "sink"
        again = command_line.greenroom(server, "views", "replay", "to_file", "--from", "2", "show:a")
        assert again.out == "1 entity to be delivered again\n", again
        until(lambda: came.read_text().splitlines()[3:] == ["show:a 2"])
        until(lambda: views(command_line, server)["to_file"]["entities_behind"] == 0)
        assert command_line.greenroom(server, "views", "replay", "to_file", "--from", "1").status == 0
        until(lambda: sorted(came.read_text().splitlines()[4:]) == ["show:a 1", "show:a 2", "show:b 1"])
        for wrong, why in ((("rebuild", "to_file"), "has no table"), (("replay", "nobody", "--from", "1"), "no view")):
            refused = command_line.greenroom(server, "views", *wrong)
            assert refused.status == 1 and why in refused.err
    finally:
        server.remove()
