"""The wheel as a person has it: what it holds, and a server from it beside modules named as our folders are."""

import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import Server, wait_until
from tests.packaging.wheel import PACKAGES, ROOT, Environment

NOT_IN_IT = {".md"}  # of what stands in our packages' folders

# A person's own modules, by the names that our top folders have.
CONFIG = "PRICE = 7\n"
STORE = """
from msgspec import Struct

from config import PRICE


class ShopState(Struct):
    total: int = 0

    def add(self) -> None:
        self.total += PRICE
"""
ACTORS = """
from msgspec import Struct

from greenroom import Actor, Ask, Event
from store import ShopState


class Total(Struct, frozen=True):
    total: int


class Buy(Ask[Total], tag="shop.buy"):
    pass


class Bought(Event, tag="shop.bought"):
    by: str


class Shop(Actor[ShopState]):
    kind = "shop"
    commands = (Buy,)
    events = (Bought,)

    def handle(self, message: Buy) -> Total:
        self.record(Bought(by=self.require_user()))
        return Total(self.state.total)

    def apply(self, event: Bought) -> None:
        self.state.add()

    def view(self) -> Total:
        return Total(self.state.total)
"""


def test_it_holds_all_of_our_packages_and_nothing_else(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    information = {name for name in held if name.split("/")[0].endswith(".dist-info")}
    assert {Path(name).name for name in information} >= {"METADATA", "RECORD", "LICENSE", "entry_points.txt"}
    ours = {
        str("greenroom" / path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in NOT_IN_IT and "__pycache__" not in path.parts
    }
    names = ("__init__.py", "__main__.py", "sinks.py", "social.py", "testing.py", "py.typed")
    loose = {f"greenroom/{name}" for name in names}
    assert held - information == ours | loose
    for part in ("store/migrations/versions/", "transports/pages/static/", "transports/pages/templates/"):
        assert any(name.startswith(f"greenroom/{part}") for name in held), part


# Of the libraries that we import, now or later, and of Python's own.
FOREIGN = ("redis", "h2", "priority", "click", "jinja2", "flask", "quart", "alembic", "code", "cmd", "pprint", "queue")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, code in {"config": CONFIG, "store": STORE, "actors": ACTORS}.items():
        (tmp_path / f"{name}.py").write_text(code)
    return tmp_path


def test_what_is_imported_is_the_wheel(environment: Environment, project: Path) -> None:
    code = "import greenroom.testing, config; print(greenroom.__file__, config.__file__)"
    run = subprocess.run(
        [environment.python, "-c", code], cwd=project, env={}, capture_output=True, text=True, timeout=60
    )
    greenroom, config = run.stdout.split()
    assert Path(greenroom).is_relative_to(environment.bin.parent) and Path(config).is_relative_to(project)


@pytest.fixture(params=["greenroom", "python -m greenroom"])
def server(request: pytest.FixtureRequest, environment: Environment, project: Path) -> Iterator[Server]:
    """Started as a person starts it, in the folder of their modules."""
    for name in FOREIGN:
        (project / f"{name}.py").write_text("raise ImportError('not this one')\n")
    program, *options = request.param.split()
    server = Server(
        cwd=project, program=(str(environment.bin / program), *options), GREENROOM_ENTITIES="actors", PYTHONPATH=""
    )
    try:
        server.start()
        yield server
    finally:
        print(server.log()[-20_000:])
        server.remove()


def test_it_serves_an_entity_beside_modules_of_the_same_names(server: Server) -> None:
    with Following(EventStream(server, "shop:corner")) as stream:
        wait_until(lambda: stream.views == 1, "the view")
        assert server.command("shop:corner", "buy") == {"total": 7}
        stream.until_offset(1)
        assert stream.events[-1].data["data"] == {"type": "shop.bought", "by": "ann"}
    assert server.request("GET", "/").status == 200  # a template, of the pages
    assert server.request("GET", "/docs").status == 200
    assert "shop.bought" in server.greenroom("entities")
    wait_until(lambda: server.request("GET", "/ready").body["redis"] == "ok", "the beat")
