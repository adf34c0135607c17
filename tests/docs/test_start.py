"""docs/start.md, walked by both of its readers: one who was given a wheel, one who has a checkout."""

import itertools
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import ROOT, Server, wait_until
from tests.packaging.wheel import build_wheel

PAGE = ROOT / "docs" / "start.md"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_S = 180


class Block(NamedTuple):
    language: str
    what: str  # behind the language: who does this, or what is done with it
    text: str


class ServedByMake(Server):
    """`make serve`, in the project that the reader has made."""

    def serve_command(self) -> list[str]:
        return ["make", "serve", f"ARGS=--port {self.port}"]


class Reader:
    """Somebody who does what the page says, block by block, and looks whether what it promises comes true."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Server | None = None
        self.watching: Following | None = None
        self.stream: EventStream | None = None
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GREENROOM_", "MAKE"))}
        # `python3` is the one that runs the tests; nothing is fetched, for all that is needed is there.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = inherited | {"PATH": path, "PIP_NO_INDEX": "1", "PYTHONPATH": ""}

    def does(self, block: Block) -> None:
        where, _, name = block.what.partition("=")
        match block.language, where:
            case "python", "append":
                self._save(name, (self.folder / name).read_text() + "\n\n" + block.text)
            case "python", "under":
                before, case, after = (self.folder / name).read_text().partition("            case Post():\n")
                self._save(name, before + case + block.text + after)
            case "sh", "serve":
                self.server = ServedByMake(cwd=self.folder)
                self.server._settings |= {"PYTHONPATH": ""}
                self.server.start()
            case "sh", "watch":
                assert self.server is not None
                self.watching = Following(EventStream(self.server, block.text.partition("channel=")[2].rstrip("'\n")))
                self.stream = stream = self.watching.__enter__()
                wait_until(lambda: stream.views >= 1, "the view")
            case "sh", _:
                for line in block.text.splitlines():
                    command, _, promised = line.partition("   # ")
                    if command.startswith("curl"):
                        self._asks(command, promised)
                    else:
                        self._runs(command)
            case _:
                raise AssertionError(f"what is to be done with this block? {block}")

    def _runs(self, command: str) -> None:
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            return
        if command == "make -C greenroom setup":
            command += " --dry-run"  # it is set up, or these tests would not run
        run = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
        if command == "python3 -m venv env":  # what the wheel depends on, as if an index had it
            folder = next((self.folder / "env" / "lib").glob("python*/site-packages"))
            (folder / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def _asks(self, command: str, promised: str) -> None:
        assert self.server is not None
        words = shlex.split(command)
        options = dict(itertools.pairwise(words))
        address = next(word for word in words if word.startswith("localhost:8000/"))
        user = options["-H"].removeprefix("X-Greenroom-User: ") if "-H" in options else None
        path = urlsplit(f"http://{address}").path
        body = options["-d"].encode() if "-d" in options else None
        connection = self.server.connection()
        headers = {"X-Greenroom-User": user} if user else {}
        connection.request(options.get("-X", "GET"), path, body, headers)
        answer = connection.getresponse().read().decode()
        connection.close()
        whole = promised.removesuffix("…")
        assert answer.startswith(whole) and (promised.endswith("…") or answer == promised), (command, answer)

    def _save(self, name: str, text: str) -> None:
        since = self.server.log_bytes() if self.server is not None else 0
        (self.folder / name).write_text(text)
        if self.server is not None and not name.startswith("test_"):
            self.server.until_ready(since)
            assert f"Reload: {name} changed" in self.server.log(since)

    def leaves(self) -> None:
        if self.watching is not None:
            self.watching.__exit__(None, None, None)
        if self.server is not None:
            print(self.server.log()[-20_000:])
            started = psutil.Process(self.server.pid).children(recursive=True)
            self.server.remove()
            assert psutil.wait_procs(started, timeout=20)[1] == []


@pytest.fixture(params=["wheel", "checkout"])
def user(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture
def reader(user: str, tmp_path: Path) -> Iterator[Reader]:
    """In a folder with the wheel, or beside a checkout."""
    projects = tmp_path / "projects"
    projects.mkdir()
    if user == "wheel":
        wheel = build_wheel(tmp_path / "built")
        wheel.rename(projects / wheel.name)
    else:
        (projects / "greenroom").symlink_to(ROOT)
    reader = Reader(projects)
    yield reader
    reader.leaves()


def blocks() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def test_the_page_leads_to_a_tested_live_entity(reader: Reader, user: str) -> None:
    for block in blocks():
        if not block.what.startswith("user=") or block.what == f"user={user}":
            reader.does(block)
    assert reader.server is not None and reader.stream is not None
    reader.stream.until_offset(3)
    texts = [one["data"]["text"] for one in reader.server.history("shop:corner")]
    assert texts == ["hello", "WHO IS THERE?", "hello?"]


def test_the_page_has_something_for_both() -> None:
    assert {block.what for block in blocks()} >= {"user=wheel", "user=checkout", "serve", "watch", "under=shop.py"}
