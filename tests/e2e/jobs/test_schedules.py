"""Schedules on a real server: those of the guide, declared, seen and steered by the command line and over HTTP."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.test_tutorial import NAMED_BLOCK
from tests.e2e.server import PROGRAM, ROOT, Server, wait_until

PAGE = ROOT / "docs" / "guides" / "jobs" / "schedules.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("reports")
    code = dict(NAMED_BLOCK.findall(PAGE.read_text(encoding="utf-8")))["reports.py"]
    (folder / "reports.py").write_text(code, encoding="utf-8")
    one = Server(cwd=folder, GREENROOM_ENTITIES="reports", GREENROOM_WORK="reports:2")
    one.start()
    yield one
    one.remove()


def listed(server: Server) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(server.greenroom("schedules", "list", "--json", *_at(server)))}


def _at(server: Server) -> tuple[str, str]:
    return "--server", server.url


def shown(server: Server, name: str) -> Any:
    return json.loads(server.greenroom("schedules", "show", name, "--json", *_at(server)))


def refused(server: Server, *arguments: str) -> str:
    done = subprocess.run(
        [*PROGRAM, "schedules", *arguments, *_at(server)],
        cwd=server._cwd,
        env=server._environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2)
    return done.stderr


def test_what_the_code_declares_is_there_and_fires_and_goes_when_the_code_does(server: Server) -> None:
    wait_until(lambda: set(listed(server)) == {"nightly", "often"}, "both to be declared", within_s=20.0)
    assert all(one["declared"] and one["state"] == "active" and one["next_ms"] for one in listed(server).values())
    assert "the code declares it" in refused(server, "drop", "nightly")
    assert server.greenroom("schedules", "trigger", "nightly", *_at(server)).startswith("started job:")
    wait_until(lambda: shown(server, "nightly")["counts"]["completed"] == 1, "its job to be done", within_s=20.0)
    text = server.greenroom("schedules", "show", "nightly", *_at(server))
    assert "0 3 * * * Europe/Berlin + 60 s" in text
    assert "completed" in text
    module = server._cwd / "reports.py"
    code = module.read_text(encoding="utf-8")
    module.write_text("\n".join(line for line in code.splitlines() if '"nightly"' not in line), encoding="utf-8")
    server.stop()
    server.start()
    wait_until(lambda: listed(server)["nightly"]["state"] == "orphaned", "it to be orphaned", within_s=20.0)
    assert listed(server)["often"]["state"] == "active"
    server.greenroom("schedules", "drop", "nightly", *_at(server))
    wait_until(lambda: "nightly" not in listed(server), "the book to say so")


def test_one_is_made_and_steered_at_run_time(server: Server) -> None:
    staff = {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"}
    said = server.greenroom("schedules", "set", "soon", "--job", "job.report", "--every", "1", *_at(server))
    assert said.startswith("next: ")

    def types() -> list[str]:
        answer = server.request("GET", "/api/schedule/soon/history?since=0", user=None, headers=staff)
        return [one["data"]["type"] for one in answer.body["publications"]]

    wait_until(lambda: "schedule.ended" in types(), "its first job to be done", within_s=20.0)
    assert types()[:3] == ["schedule.was_set", "schedule.advanced", "schedule.fired"]
    server.greenroom("schedules", "pause", "soon", "--note", "enough", *_at(server))
    assert (shown(server, "soon")["state"], shown(server, "soon")["pause_note"]) == ("paused", "enough")
    server.greenroom("schedules", "resume", "soon", *_at(server))
    server.greenroom("schedules", "set", "soon", "--job", "job.report", "--cron", "0 * * * *", *_at(server))
    days = ("--from", "2026-01-01", "--until", "2026-01-01T05:30")
    before = shown(server, "soon")["counts"]["completed"]
    assert server.greenroom("schedules", "backfill", "soon", *days, *_at(server)) == "6 ticks\n"
    wait_until(lambda: shown(server, "soon")["counts"]["completed"] >= before + 6, "six jobs to be done", within_s=20.0)
    server.greenroom("schedules", "drop", "soon", *_at(server))
    assert "there is no schedule 'soon'" in refused(server, "pause", "soon")
    assert "Bad minute" in refused(server, "set", "n", "--job", "job.report", "--cron", "61 * * * *")
    assert "--until" in refused(server, "backfill", "n", "--from", "2026-01-01", "--until", "noon")
