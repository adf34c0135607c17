"""Schedules on a real server: those of the guide, declared, seen and steered by the command line and over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.test_tutorial import NAMED_BLOCK
from tests.e2e.server import ROOT, Server, wait_until
from tests.faults.process.command_line import CommandLine, Ran

PAGE = ROOT / "docs" / "guides" / "jobs" / "schedules.md"


class Desk:
    """Who looks after them: at the command line, and over HTTP where it goes on looking."""

    def __init__(self, server: Server, command_line: CommandLine) -> None:
        self.server = server
        self._command_line = command_line
        self._headers = {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"}

    def run(self, *arguments: str) -> Ran:
        """With the token that the command signs itself: it has the server's settings."""
        settings = {**self.server._environment(), "GREENROOM_PORT": str(self.server.port)}
        return self._command_line.run(("schedules", *arguments), settings)

    def does(self, *arguments: str) -> str:
        ran = self.run(*arguments)
        assert ran.status == 0, ran
        return ran.out

    def get(self, path: str) -> Any:
        return self.server.request("GET", path, user=None, headers=self._headers).body

    def seen(self, name: str) -> Any:
        return self.get(f"/api/schedule/{name}").get("view", {})

    def until(self, name: str, outcome: str, count: int) -> None:
        wait_until(
            lambda: self.seen(name)["counts"][outcome] >= count, f"{count} of {name} to be {outcome}", within_s=20.0
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("reports")
    code = dict(NAMED_BLOCK.findall(PAGE.read_text(encoding="utf-8")))["reports.py"]
    (folder / "reports.py").write_text(code, encoding="utf-8")
    server = Server(cwd=folder, GREENROOM_ENTITIES="reports", GREENROOM_WORK="reports:2")
    server.start()
    with CommandLine() as command_line:
        yield Desk(server, command_line)
    server.remove()


def test_what_the_code_declares_is_there_and_is_the_code_s(desk: Desk) -> None:
    wait_until(lambda: desk.seen("often") and desk.seen("nightly"), "both to be declared", within_s=20.0)
    listed = {one["name"]: one for one in json.loads(desk.does("list", "--json"))}
    assert listed.keys() >= {"nightly", "often"}
    assert all(listed[name]["declared"] and listed[name]["next_ms"] for name in ("nightly", "often"))
    ran = desk.run("drop", "nightly")
    assert (ran.status, "the code declares it" in ran.err) == (1, True)
    assert desk.does("trigger", "nightly").startswith("started job:")
    desk.until("nightly", "completed", 1)
    text = desk.does("show", "nightly")
    assert "0 3 * * * Europe/Berlin + 60 s" in text
    assert "completed" in text
    assert "0 3 * * * Europe/Berlin + 60 s" in desk.does("list")


def test_one_is_made_and_steered_at_run_time(desk: Desk) -> None:
    assert desk.does("set", "soon", "--job", "job.report", "--every", "1").startswith("next: ")
    desk.until("soon", "completed", 1)
    shown = desk.get("/api/schedule/soon/history?since=0")["publications"]
    assert [one["data"]["type"] for one in shown][:3] == ["schedule.was_set", "schedule.advanced", "schedule.fired"]
    desk.does("pause", "soon", "--note", "enough")
    assert (desk.seen("soon")["state"], desk.seen("soon")["pause_note"]) == ("paused", "enough")
    assert desk.does("resume", "soon").startswith("next: ")
    desk.does("set", "soon", "--job", "job.report", "--cron", "0 * * * *")
    before = desk.seen("soon")["counts"]["completed"]
    days = ("--from", "2026-01-01", "--until", "2026-01-01T05:30")
    assert desk.does("backfill", "soon", *days) == "6 ticks\n"
    desk.until("soon", "completed", before + 6)
    assert desk.does("backfill", "soon", *days, "--stop", "--side-by-side") == "6 ticks\n"
    desk.does("drop", "soon")
    for status, text, arguments in (
        (1, "there is no schedule 'soon'", ("pause", "soon")),
        (1, "there is no schedule 'soon'", ("drop", "soon")),
        (2, "Bad minute", ("set", "n", "--job", "job.report", "--cron", "61 * * * *")),
        (2, "--until 'noon'", ("backfill", "n", "--from", "2026-01-01", "--until", "noon")),
        (2, "--arguments", ("set", "n", "--job", "job.report", "--every", "1", "--arguments", "{")),
    ):
        ran = desk.run(*arguments)
        assert (ran.status, text in ran.err) == (status, True), ran
