"""Jobs on a real server, done by processes beside it: `greenroom work`, and the worker in Node of the docs."""

import asyncio
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_tutorial import NAMED_BLOCK
from tests.e2e.event_stream import EventStream, Following
from tests.e2e.sdk import Watch, connected, watching
from tests.e2e.sdk import until as until_async
from tests.e2e.server import PROGRAM, ROOT, Server, wait_until

GUIDES = ROOT / "docs" / "guides" / "jobs"
JOBS = """
import os, signal, time
import msgspec, trio
from greenroom import Actor, Ask, Event, Job, JobLimits, Key, Page, Retry, Tell, View

class Wait(Job, queue="media", tag="job.wait"):
    seconds: float
    async def run(self, work):
        work.log("begun")
        await trio.sleep(self.seconds)
        return "waited"

class Tells(Job, queue="media", tag="job.tells"):
    async def run(self, work):
        for number in range(40):
            work.log(f"line {number}")
            await trio.sleep(0.05)

class Sum(Job, queue="media", tag="job.sum"):
    async def run(self, work):
        return [one.result for one in await work.children()]

class Ring(Ask[list], tag="bell.ring"):
    pass

class Stir(Tell, tag="bell.stir"):
    pass

class Rang(Event, tag="bell.rang"):
    by: str

class Bell(Actor[dict]):
    kind = "bell"
    commands = (Ring,)
    internal = (Stir,)
    events = (Rang,)
    stirred = 0
    def handle(self, message):
        if isinstance(message, Stir):
            self.stirred += 1
            return None
        by = "greenroom" if self.principal.system else self.require_user()
        self.record(Rang(by=by))
        return [by, self.stirred]
    def apply(self, event):
        pass
    def view(self):
        return {}

class Rings(View, version=1):
    of = (Rang,)
    watch = Page(by="by", order="-number")
    class Row(msgspec.Struct):
        by: Key[str]
        number: Key[int]
    def fold(self, event, of):
        self.row(by=event.by, number=of.offset)

class Speaks(Job, queue="media", tag="job.speaks"):
    retry = Retry(attempts=1)
    nudges: bool = False
    async def run(self, work):
        if self.nudges:
            work.nudge(["bell:a"], Stir())
        return await work.ask("bell:a", Ring())

class Inside(Job, queue="inside", tag="job.inside"):
    async def run(self, work):
        first = await work.ask("bell:b", Ring())
        work.nudge(["bell:b", "bell:asleep"], Stir())
        second = await work.ask("bell:b", Ring())
        while not (rows := (await work.query_pages(Rings.Row, ["greenroom", "x"], limit=1)).get("greenroom")):
            await trio.sleep(0.01)
        return [first, second, len((await work.query(Rings.Row, "x")).rows)]

class Poison(Job, queue="media", tag="job.poison"):
    retry = Retry(attempts=9, first_s=0.0)
    async def run(self, work):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "media.py").write_text(_blocks("working.md")["media.py"], encoding="utf-8")
    (folder / "waits.py").write_text(JOBS, encoding="utf-8")
    one = Server(cwd=folder, GREENROOM_ENTITIES="media,waits", GREENROOM_WORK="inside:1")
    one.start()
    yield one
    one.remove()


def _blocks(page: str) -> dict[str, str]:
    return dict(NAMED_BLOCK.findall((GUIDES / page).read_text(encoding="utf-8")))


class Staff:
    """Who adds jobs and looks at them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.headers = {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"}

    def add(self, job: str, *, by: str = "", **arguments: Any) -> str:
        return str(self.command("queue:media", "add", {"job": job, "arguments": arguments, "by": by})["id"])

    def command(self, entity: str, name: str, fields: dict[str, Any] | None = None) -> Any:
        return self._server.command(entity, name, fields, user=None, headers=self.headers)

    def job(self, job: str) -> dict[str, Any]:
        answer = self._server.request("GET", f"/api/job/{job}", user=None, headers=self.headers)
        assert answer.status == 200, answer
        return dict(answer.body["view"])

    def until(self, job: str, *states: str, within_s: float = 30.0) -> dict[str, Any]:
        wait_until(lambda: self.job(job)["state"] in states, f"{job} to be {states}", within_s=within_s)
        return self.job(job)


@pytest.fixture
def staff(server: Server) -> Staff:
    return Staff(server)


@contextmanager
def working(server: Server, *command: str, cwd: Path | None = None, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Once it says so."""
    token = server.token("svc", roles=["service"])
    with subprocess.Popen(
        command or (*PROGRAM, "work", "media:2", "--server", server.url),
        cwd=cwd or server._cwd,
        env={**server._environment(), "GREENROOM_WORK_TOKEN": f" {token}\n", **settings},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.lower().startswith("working on"):
                break
        try:
            yield process
        finally:
            if process.poll() is None:
                ended(process)


def ended(process: subprocess.Popen[str]) -> int:
    """Told to; and so it has left its queue, and is given nothing more."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    finally:
        process.kill()


def test_a_process_that_only_works_does_the_jobs_of_the_page(server: Server, staff: Staff) -> None:
    with working(server) as process:
        transcoded = staff.until(staff.add("job.transcode", video="a", height=144), "completed")
        assert transcoded["result"] == {"url": "/originals/a/144.mp4"} and transcoded["attempts"] == 0
        assert staff.until(staff.add("job.thumbnail", video="a"), "completed")["result"] == 0
        assert staff.until(staff.add("job.checksum", text="abc"), "completed")["result"] == 294
        assert staff.until(staff.add("job.transcode", video=""), "failed")["errors"][0]["error"] == "there is no video"
        assert ended(process) == 0


def test_a_job_asks_entities_in_the_name_of_its_workers_token(server: Server, staff: Staff) -> None:
    with working(server):
        assert staff.until(staff.add("job.speaks"), "completed")["result"] == ["svc", 0]
        failed = staff.until(staff.add("job.speaks", nudges=True), "failed")
        assert "work.no_entities" in failed["errors"][-1]["error"]


def test_a_job_that_a_node_works_on_asks_reads_and_nudges_as_greenroom(server: Server, staff: Staff) -> None:
    job = staff.command("queue:inside", "add", {"job": "job.inside", "arguments": {}})["id"]
    assert staff.until(job, "completed")["result"] == [["greenroom", 0], ["greenroom", 1], 0]


def test_a_flow_is_added_at_once_and_its_results_come_together(server: Server, staff: Staff) -> None:
    texts = [{"name": name, "job": "job.checksum", "arguments": {"text": name}} for name in ("abc", "d")]
    summed = {"name": "sum", "job": "job.sum", "children": [{"id": "abc"}, {"id": "d", "on_failure": "ignore"}]}
    with working(server):
        ids = staff.command("queue:media", "add_flow", {"jobs": [summed, *texts]})["ids"]
        assert staff.until(ids["sum"], "completed")["result"] == [294, 100]
        assert staff.job(ids["sum"])["children"] == [ids["abc"], ids["d"]]


def test_whom_a_job_is_for_sees_it_live_and_cancels_it_at_once(server: Server, staff: Staff) -> None:
    with working(server) as process:
        job = staff.add("job.wait", by="bob", seconds=600)
        staff.until(job, "active")
        stream = EventStream(server, f"job:{job}", user="bob")
        with Following(stream):
            wait_until(lambda: stream.views == 1, "the view")
            assert server.request("GET", f"/api/job/{job}", user="ann").status == 403
            server.command(f"job:{job}", "cancel", {"reason": "enough"}, user="bob")
            assert staff.until(job, "cancelled")["errors"][-1]["error"] == "cancelled: enough"
            wait_until(lambda: _states(stream)[-1:] == ["cancelled"], "the watcher to see it")
        assert ended(process) == 0


def _states(stream: EventStream) -> list[str]:
    shown = [event.data["data"] for event in stream.events if event.name == "message"]
    return [one["state"] for one in shown if one["type"] == "job.state"]


def test_whoever_was_cut_off_goes_on_where_they_were_and_misses_no_line(server: Server, staff: Staff) -> None:
    """Added over a WebSocket, watched there and by server-sent events; both lose their connection meanwhile."""

    async def scenario() -> None:
        token = server.token("svc", roles=["service"])
        async with connected(server, token=token) as client, connected(server, token=token) as other:
            fields = {"job": "job.tells", "arguments": {}, "by": "bob"}
            job = (await client.rpc("queue:media/add", fields)).data["id"]
            stream = EventStream(server, f"job:{job}", user="bob")
            with Following(stream):
                subscription, watch = await watching(client, f"job:{job}", recoverable=True)
                _, queue = await watching(other, "queue:media", data={"as": "view"})
                with working(server):
                    await until_async(partial(_has_told, watch, 5), "some lines")
                    stream.cut(hold=True)
                    await until_async(partial(_has_told, watch, 13), "lines that the stream misses")
                    stream.go_on()
                    await until_async(lambda: len(_lines_of(stream)) >= 13, "the stream to have them")
                    await subscription.unsubscribe()
                    await until_async(lambda: len(_lines_of(stream)) >= 22, "lines that the WebSocket misses")
                    await subscription.subscribe()
                    await until_async(partial(_has_told, watch, 40), "all lines")
                    wait_until(lambda: _lines_of(stream) == list(range(40)), "all lines on the stream")
                assert stream.connects >= 2
                assert watch.subscribed[-1].was_recovering and watch.subscribed[-1].recovered
                assert [line for pub in watch.publications for line in _lines(pub.data)] == list(range(40))
                assert queue.publications or queue.subscribed[0].data["unfinished"] >= 0

    asyncio.run(scenario())


def _lines(data: dict[str, Any]) -> list[int]:
    lines = data["lines"] if data["type"] == "job.log" else []
    return [int(line.removeprefix("line ")) for line in lines]


def _has_told(watch: Watch, lines: int) -> bool:
    return sum(len(_lines(pub.data)) for pub in watch.publications) >= lines


def _lines_of(stream: EventStream) -> list[int]:
    return [line for event in stream.events if event.name == "message" for line in _lines(event.data["data"])]


def test_a_job_of_a_worker_that_is_killed_is_begun_anew_on_the_same_host_within_a_second(
    server: Server, staff: Staff
) -> None:
    with working(server) as first:
        job = staff.add("job.wait", seconds=600)
        before = staff.until(job, "active")["worker"]
        with working(server):
            first.kill()
            first.wait()
            wait_until(lambda: staff.job(job)["errors"] != [], "the worker to be missed", within_s=5.0)
            view = staff.until(job, "active")
            assert view["worker"] != before and view["lost"] == 1
            assert view["errors"][0]["error"] == "the worker was lost", "and not when its lease had ended"
            staff.command(f"job:{job}", "cancel")
            staff.until(job, "cancelled")


def test_a_job_that_kills_whoever_takes_it_has_failed_at_the_third(server: Server, staff: Staff) -> None:
    job = staff.add("job.poison")
    for _ in range(3):
        with working(server) as process:
            assert process.wait(30) == -signal.SIGKILL
    view = staff.until(job, "failed")
    assert view["errors"][-1]["error"] == "it ended 3 workers"


def test_a_worker_that_is_told_to_end_gives_back_what_it_does_not_end_in_time(server: Server, staff: Staff) -> None:
    with working(server, GREENROOM_WORK_STOP_S="0.2") as process:
        job = staff.add("job.wait", seconds=600)
        staff.until(job, "active")
        assert ended(process) == 0
    view = staff.until(job, "waiting")
    assert (view["attempts"], view["lost"], view["errors"]) == (0, 0, [])
    staff.command(f"job:{job}", "cancel")


def test_a_worker_tries_again_while_its_server_is_away(server: Server, staff: Staff) -> None:
    with working(server) as process:
        job = staff.add("job.wait", seconds=3)
        staff.until(job, "active")
        server.restart()
        assert Staff(server).until(job, "completed")["attempts"] == 0
        assert ended(process) == 0


def _work(server: Server, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """One that ends by itself."""
    return subprocess.run(
        [*PROGRAM, "work", *arguments],
        cwd=server._cwd,
        env={**server._environment(), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("media",), "queue:number"),
        (("other:1",), "names no job of the queue"),
        (("media:0",), "queue:number"),
        (("media:1", "--server", "example.org"), "must be a URL"),
        (("media:1", "--server", "https://example.org"), "GREENROOM_WORK_TOKEN: must be set"),
    ],
)
def test_it_says_what_is_wrong_with_what_it_is_given(server: Server, arguments: tuple[str, ...], says: str) -> None:
    ran = _work(server, *arguments)
    assert ran.returncode == 2 and says in ran.stderr


@pytest.mark.parametrize("token", ["sec ret", "sec\nret", "s\u00e9cret", " \n"])
def test_a_token_that_is_none_is_said_by_its_setting_and_not_shown(server: Server, token: str) -> None:
    ran = _work(server, "media:1", "--server", server.url, GREENROOM_WORK_TOKEN=token)
    assert ran.returncode == 2 and "GREENROOM_WORK_TOKEN" in ran.stderr
    assert "sec" not in ran.stderr + ran.stdout and "cret" not in ran.stderr


@pytest.mark.parametrize("roles", [None, []], ids=["no token", "no role"])
def test_a_server_that_does_not_let_it_in_ends_it(server: Server, roles: list[str] | None) -> None:
    token = "nonsense" if roles is None else server.token("svc", roles=roles)
    ran = _work(server, "media:1", "--server", server.url, GREENROOM_WORK_TOKEN=token)
    assert ran.returncode == 1 and "does not let this worker in: " in ran.stderr
    assert token not in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_the_worker_in_node_of_the_docs(server: Server, staff: Staff, tmp_path: Path) -> None:
    (tmp_path / "worker.mjs").write_text(_blocks("worker-in-node.md")["worker.mjs"], encoding="utf-8")
    token = server.token("svc", roles=["service"])
    with working(server, "node", "worker.mjs", cwd=tmp_path, SERVER=server.url, TOKEN=token, QUEUE="media") as process:
        assert staff.until(staff.add("job.greet", name="Ann"), "completed")["result"] == "Hello, Ann"
        many = [staff.add("job.greet", name=str(number)) for number in range(20)]
        assert [staff.until(job, "completed")["result"] for job in many] == [f"Hello, {n}" for n in range(20)]
        waits = staff.add("job.wait", seconds=600)
        wait_until(lambda: (staff.job(waits)["share"] or 0) > 0, "its progress to be seen")
        staff.command(f"job:{waits}", "cancel", {"reason": "enough"})
        assert staff.until(waits, "cancelled")["worker"].startswith("node-")
        last = staff.add("job.wait", seconds=1)
        staff.until(last, "active")
        assert ended(process) == 0
    assert staff.until(last, "completed")["result"] == "waited"


LONG = 'const jobs = { "job.long": async () => "x".repeat(3_000_000),'


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_the_worker_in_node_says_much_in_parts_and_what_is_refused_has_failed(
    server: Server, staff: Staff, tmp_path: Path
) -> None:
    code = _blocks("worker-in-node.md")["worker.mjs"].replace("const jobs = {", LONG)
    (tmp_path / "worker.mjs").write_text(code, encoding="utf-8")
    token = server.token("svc", roles=["service"])
    much = [staff.add("job.greet", name="x" * 250_000) for _ in range(8)]
    long = staff.command("queue:media", "add", {"job": "job.long", "attempts": 1})["id"]
    settings = {"SERVER": server.url, "TOKEN": token, "QUEUE": "media", "SLOTS": "9"}
    with working(server, "node", "worker.mjs", cwd=tmp_path, **settings) as process:
        assert [staff.until(job, "completed")["state"] for job in much] == ["completed"] * 8
        assert "take" in staff.until(long, "failed")["errors"][0]["error"]
        assert ended(process) == 0


def test_a_node_that_works_itself_ends_its_jobs_before_it_drains(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(JOBS, encoding="utf-8")
    one = Server(cwd=tmp_path, GREENROOM_ENTITIES="waits", GREENROOM_WORK="media:2")
    try:
        one.start()
        staff = Staff(one)
        job = staff.add("job.wait", seconds=1.5)
        staff.until(job, "active")
        assert one.stop() == 0
        events = [json.loads(line)["event"] for line in one.log().splitlines() if line.startswith("{")]
        assert "drain_deadline" not in events and "jobs_interrupted" not in events and events[-1] == "drained"
        one.start()
        assert Staff(one).job(job)["result"] == "waited"
    finally:
        one.remove()
