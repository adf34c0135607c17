"""`greenroom serve --nodes N`: the parent with nodes that are made up, and with real ones."""

import asyncio
import contextlib
import json
import os
import re
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
import trio
from centrifuge import CentrifugeError, Client
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.supervisors.cli.serving import group as group_module
from greenroom.supervisors.cli.serving.ground import Ground
from greenroom.supervisors.cli.serving.group import Group
from greenroom.supervisors.cli.serving.handing import Given
from greenroom.supervisors.supervision.signals import SAME_S
from greenroom.transports.sockets.shared_port import SharedPort
from tests.e2e.sdk import Connection, Watch, connected, run, until, watching
from tests.e2e.server import READY, Server, wait_until
from tests.faults.process.command_line import CommandLine

GIVEN = Given(options={"nodes": 0}, listener=-1, database_url="", redis_url="", data_dir=None, held={})
URL = "http://127.0.0.1:8000/"
USER = {"X-Greenroom-User": "ann"}


class MadeUp:
    """In place of a Child: loads, starts and ends when the test says so."""

    def __init__(self, given: Given) -> None:
        self.number = given.node_number
        self.pid = 1
        self.asked_to_end = False
        self.going = False
        self.status: int | None = None
        self.hangups = 0
        self.lets_in = trio.Event()
        self.over = trio.Event()

    async def loaded(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.status is None

    async def go(self) -> None:
        self.going = True

    async def ready(self) -> bool:
        await self.lets_in.wait()
        return self.status is None

    async def ended(self) -> None:
        await self.over.wait()

    def hang_up(self) -> None:
        self.hangups += 1

    def ask_to_end(self) -> None:
        self.asked_to_end = True

    async def end(self, patience_s: float) -> None:
        self.ask_to_end()
        with trio.move_on_after(patience_s, shield=True):
            await self.over.wait()

    def ends(self, status: int) -> None:
        self.status = status
        self.lets_in.set()
        self.over.set()


class Nodes(list[MadeUp]):
    """All that were started, in order."""

    def of(self, number: int) -> list[MadeUp]:
        return [node for node in self if node.number == number]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    made = Nodes()

    @asynccontextmanager
    async def loading(given: Given) -> AsyncIterator[MadeUp]:
        made.append(MadeUp(given))
        yield made[-1]

    monkeypatch.setattr(group_module, "Child", SimpleNamespace(loading=loading))
    return made


@asynccontextmanager
async def running(size: int) -> AsyncIterator[Group]:
    """At the end it must have ended by itself, or by a signal."""
    with SharedPort("127.0.0.1", 0) as port:
        group = Group(GIVEN, port, nodes=size, url=URL, drain_s=10.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(group.run, cast(Ground, SimpleNamespace(own=None)))
            await wait_all_tasks_blocked()
            yield group


async def all_ready(nodes: Nodes, size: int) -> None:
    for number in range(size):
        nodes[number].lets_in.set()
        await wait_all_tasks_blocked()


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """How often, and where, it was said to be ready. The logs go there as well."""
    return [line.removeprefix(READY) for line in capsys.readouterr().out.splitlines() if line.startswith(READY)]


async def test_the_first_starts_alone_the_others_side_by_side_and_ready_is_said_once(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(3) as group:
        assert [node.number for node in nodes] == [1]
        nodes[0].lets_in.set()
        await wait_all_tasks_blocked()
        assert [node.number for node in nodes] == [1, 2, 3]
        nodes[2].lets_in.set()
        await wait_all_tasks_blocked()
        assert told(capsys) == []
        nodes[1].lets_in.set()
        await wait_all_tasks_blocked()
        assert told(capsys) == [URL]
        signal.raise_signal(signal.SIGTERM)
        await wait_all_tasks_blocked()
        assert all(node.asked_to_end for node in nodes), "at once, though none has ended"
        for node in nodes:
            node.ends(0)
    assert (group.status, group.gave_up) == (0, None)
    assert len(nodes) == 3


async def test_one_that_ends_is_started_again_after_a_wait_and_the_others_go_on(
    nodes: Nodes, capsys: pytest.CaptureFixture[str], autojump_clock: MockClock
) -> None:
    async with running(2):
        await all_ready(nodes, 2)
        assert told(capsys) == [URL]
        nodes[0].ends(-9)
        await trio.sleep(0.45)
        assert len(nodes) == 2, "those who take over go first"
        await trio.sleep(0.6)
        assert [node.number for node in nodes] == [1, 2, 1]
        nodes[2].lets_in.set()
        await trio.sleep(20.0)
        assert told(capsys) == []
        nodes[2].ends(0)  # somebody has asked it, and not us
        await trio.sleep(1.1)
        assert [node.number for node in nodes] == [1, 2, 1, 1], "after calm the wait is as short as ever"
        assert not nodes[1].asked_to_end
        signal.raise_signal(signal.SIGINT)
        await trio.lowlevel.checkpoint()
        nodes[1].ends(0)
        nodes[3].ends(0)


@pytest.mark.parametrize(("status", "ours"), [(2, 2), (1, 1), (-9, 1), (0, 1)])
async def test_a_group_whose_node_cannot_start_ends_as_that_node_did(nodes: Nodes, status: int, ours: int) -> None:
    async with running(3) as group:
        nodes[0].ends(status)
    assert group.status == ours
    assert len(nodes) == 1


async def test_one_that_ends_while_others_start_ends_the_group(nodes: Nodes, autojump_clock: MockClock) -> None:
    async with running(3) as group:
        nodes[0].lets_in.set()
        await wait_all_tasks_blocked()
        nodes[2].ends(1)
        await wait_all_tasks_blocked()
        assert nodes[0].asked_to_end and nodes[1].asked_to_end
        nodes[0].ends(0)
        nodes[1].ends(0)
    assert group.status == 1


async def test_one_that_can_not_start_any_more_stops_nobody_who_serves(nodes: Nodes, autojump_clock: MockClock) -> None:
    """As while the database is away, which those outlive."""
    async with running(2) as group:
        await all_ready(nodes, 2)
        nodes.of(2)[-1].ends(-9)
        for lives in range(2, 12):
            await trio.sleep(10.0)  # the longest wait
            assert len(nodes.of(2)) == lives
            nodes.of(2)[-1].ends(1)
        assert not nodes[0].asked_to_end
        await trio.sleep(10.0)
        nodes.of(2)[-1].lets_in.set()
        await wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGTERM)
        await trio.lowlevel.checkpoint()
        for node in (nodes[0], nodes.of(2)[-1]):
            node.ends(0)
    assert (group.status, group.gave_up) == (0, None)


async def test_nodes_that_end_too_often_end_the_group(nodes: Nodes, autojump_clock: MockClock) -> None:
    async with running(2) as group:
        await all_ready(nodes, 2)
        for restart in range(1, 7):
            nodes.of(2)[-1].ends(-11)
            await wait_all_tasks_blocked()
            if restart == 6:
                assert nodes[0].asked_to_end, "five within a minute are borne by two nodes"
                nodes[0].ends(0)
                break
            await trio.sleep(10.0)  # the longest wait
            nodes.of(2)[-1].lets_in.set()
            await wait_all_tasks_blocked()
    assert group.gave_up is not None and "node 2" in group.gave_up


async def test_a_hangup_is_passed_on_to_all(nodes: Nodes) -> None:
    async with running(2):
        await all_ready(nodes, 2)
        signal.raise_signal(signal.SIGHUP)
        await wait_all_tasks_blocked()
        assert [node.hangups for node in nodes] == [1, 1]
        signal.raise_signal(signal.SIGTERM)
        await wait_all_tasks_blocked()
        for node in nodes:
            node.ends(0)


async def test_one_that_does_not_drain_in_time_holds_nobody_up_for_ever(
    nodes: Nodes, autojump_clock: MockClock
) -> None:
    with trio.fail_after(60.0):
        async with running(2):
            await all_ready(nodes, 2)
            signal.raise_signal(signal.SIGTERM)
            await wait_all_tasks_blocked()
            nodes[0].ends(0)
    assert trio.current_time() >= 20.0


# With real ones.


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as made:

        def new(**settings: Any) -> Server:
            server = Server(options=("--nodes", "2"), **settings)
            made.callback(server.remove)
            made.callback(lambda: print(server.log()[-20_000:]))
            return server

        yield new


def processes_of(server: Server) -> list[psutil.Process]:
    """The nodes, Postgres and Valkey."""
    found: list[psutil.Process] = psutil.Process(server.pid).children(recursive=True)
    return found


def nodes_of(server: Server) -> dict[int, int]:
    """The processes of its nodes by their numbers, as the log has it."""
    found = re.findall(r'"event": "node_ready".*"node_number": (\d+), "pid": (\d+)', server.log())
    return {int(number): int(pid) for number, pid in found}


def names(server: Server) -> set[str]:
    """Those of the nodes that answer at the port."""
    return {server.request("GET", "/health").body["node"] for _ in range(20)}


def scraped(server: Server) -> set[str]:
    """Numbers of the nodes whose metrics are answered."""
    text = server.request("GET", "/metrics").body.decode()
    assert text.count("# HELP greenroom_awake ") == 1
    return set(re.findall(r'greenroom_awake\{node_number="(\d+)"\}', text))


async def send(client: Client, room: str, text: str) -> None:
    """Until it is acknowledged, under one key."""
    fields = {"text": text, "idempotency_key": str(uuid.uuid4())}
    while True:
        try:
            await client.rpc(f"{room}/send", fields)
        except CentrifugeError:
            await asyncio.sleep(0.05)
        else:
            return


def test_two_nodes_serve_one_port_and_the_death_of_one_costs_its_clients_a_new_connection(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    server.start()
    assert server.log().count(READY) == 1
    assert len(names(server)) == 2
    both = {"1", "2"}
    wait_until(lambda: all(scraped(server) == both for _ in range(6)), "them to know one another, either way")
    answers = [scraped(server) == both for _ in range(20)]
    assert sum(answers) >= 18, "whichever answers; on a busy machine a node may not hear of the other in time"
    first = nodes_of(server)
    rooms = [f"room:{number}" for number in range(6)]
    texts = [f"user{number} {when}" for when in ("before", "after") for number in range(16)]
    watches: list[Watch] = []
    connects: list[int] = []

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(server, f"user{number}")) for number in range(16)]
            for room in rooms:
                for client in clients:
                    await client.rpc(f"{room}/join", {})
                for client in clients:
                    watches.append((await watching(client, room, recoverable=True))[1])

            async def all_say(when: str) -> None:
                async with asyncio.TaskGroup() as group:
                    for number, client in enumerate(clients):
                        for room in rooms:
                            group.create_task(send(client, room, f"user{number} {when}"))

            await all_say("before")
            os.kill(first[1], signal.SIGKILL)
            await all_say("after")
            await until(lambda: all(len(watch.texts) >= len(texts) for watch in watches), "all to be seen", within_s=60)
            for client in clients:
                assert isinstance(client.events, Connection)
                connects.append(len(client.events.connected))

    run(scenario)
    assert sorted(set(connects)) == [1, 2], "some were at the one, some at the other"
    for watch in watches:
        assert sorted(watch.texts) == sorted(texts)
        assert watch.offsets == list(range(watch.offsets[0], watch.offsets[0] + len(watch.offsets)))
    wait_until(lambda: nodes_of(server)[1] != first[1], "it to come again", within_s=60)
    wait_until(lambda: len(names(server)) == 2, "it to be given connections")
    assert nodes_of(server)[2] == first[2]
    log = server.log()
    assert log.count(READY) == 1 and '"event": "node_ended", "node_number": 1, "status": -9' in log
    assert "its process has ended" in log, "the other one has not waited for its lease"
    before = processes_of(server)
    since = server.log_bytes()
    assert server.stop() == 0
    assert psutil.wait_procs(before, timeout=15)[1] == []
    assert '"node_ended"' not in server.log(since) and "store_unavailable" not in server.log(since)
    numbers = re.findall(r'"event": "drained".*"node_number": (\d+)', server.log(since))
    assert sorted(numbers) == ["1", "2"]


def test_a_second_signal_waits_for_nobody(new_server: Callable[..., Server]) -> None:
    server = new_server(GREENROOM_DRAIN_S="600", GREENROOM_ENTITIES="tests.faults.entities")
    server.start()
    before = processes_of(server)
    with contextlib.ExitStack() as stack:
        for number in range(8):
            for name in ("one", "two", "three"):  # the later ones hold up the drain for as long as a handler may take
                client = server.connection()
                stack.callback(client.close)
                body = json.dumps({"name": name, "seconds": 600})
                client.request("POST", f"/api/slow/{number}/work", body, {"X-Greenroom-User": "ann"})
        process = psutil.Process(server.pid)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: '"draining"' in server.log(), "the drain to begin")

        def insist() -> bool:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
            return not server.running

        wait_until(insist, "the second signal to be obeyed")
    assert psutil.wait_procs(before, timeout=15)[1] == []


def test_one_that_was_told_to_end_alone_is_not_told_a_second_time_when_all_end(
    new_server: Callable[..., Server],
) -> None:
    """Its drain may take its time: the group's signal says nothing new to it, and is not that nobody wants to wait."""
    server = new_server(GREENROOM_ENTITIES="tests.faults.entities")
    server.start()
    number, pid = sorted(nodes_of(server).items())[0]
    with contextlib.ExitStack() as stack:
        for name in range(8):  # some of them live there
            client = server.connection()
            stack.callback(client.close)
            client.request("POST", f"/api/slow/{name}/work", json.dumps({"name": "x", "seconds": 3}), USER)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: f'"node_number": {number}' in drainings(server), "its drain to begin")
        time.sleep(SAME_S + 0.2)  # within that, two signals are one
        assert server.stop() == 0
    assert "second signal" not in server.log()
    assert f'"node_number": {number}' in "".join(re.findall('.*"drained".*', server.log()))


def drainings(server: Server) -> str:
    return "".join(re.findall('.*"event": "draining".*', server.log()))


def test_nobody_is_left_when_the_parent_is_killed(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.start()
    before = processes_of(server)
    assert len(before) > 4
    server.kill()
    assert psutil.wait_procs(before, timeout=30)[1] == []


@pytest.mark.parametrize(
    ("settings", "status", "named"),
    [
        ({"GREENROOM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, 1, "GREENROOM_DATABASE_URL"),
        ({"GREENROOM_ENTITIES": "no_such_module"}, 2, "no_such_module"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told_once(
    command_line: CommandLine, tmp_path: Path, settings: dict[str, Any], status: int, named: str
) -> None:
    stores = {"GREENROOM_REDIS_URL": "redis://127.0.0.1:1", "GREENROOM_DATABASE_URL": "postgresql://a@127.0.0.1:1/none"}
    given = {"GREENROOM_DATA_DIR": str(tmp_path / "data"), **stores, **settings}
    ran = command_line.run(["serve", "--nodes", "3", "--port", "0"], given, folder=tmp_path)
    assert ran.status == status and READY not in ran.out
    assert ran.err.count("greenroom: ") == 1 and named in ran.err and "Traceback" not in ran.err


def test_a_port_that_others_share_is_taken(command_line: CommandLine, tmp_path: Path) -> None:
    with SharedPort("127.0.0.1", 0) as shared:
        for nodes in ("1", "2"):
            settings = {"GREENROOM_DATA_DIR": str(tmp_path / nodes)}
            ran = command_line.run(["serve", "--nodes", nodes, "--port", str(shared.port)], settings, folder=tmp_path)
            assert ran.status == 1 and str(shared.port) in ran.err and "Traceback" not in ran.err
