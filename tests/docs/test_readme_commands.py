"""What the documents tell one to type exists: routes and commands with their fields, settings, targets, subcommands."""

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
import pytest
import typer.main

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.views import Conversations, Messages, Rooms
from greenroom.actors.identity import Session
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds, find_actors, find_classes
from greenroom.actors.model.message import tag_of
from greenroom.actors.views.installed import views_among
from greenroom.actors.views.query import RESERVED
from greenroom.config.settings import Settings
from greenroom.supervisors.cli.app import app
from greenroom.testing import Kit

ROOT = Path(__file__).parents[2]
NAMED_BLOCK = re.compile(r"^```python file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
POST = re.compile(r"curl (?:-\S+ )*-X POST \S*?/api/([^/\s]+)/([^/\s]+)/([^/\s'?]+)(.*)")
GET = re.compile(r"curl (?:-N )?'?localhost:8000/(api|events)([^\s']*)")
VIEW = re.compile(r"^class (\w+)\(View\b", re.MULTILINE)
BODY = re.compile(r"-d '([^']*)'")
RPC = re.compile(r"""\brpc\(["']([^"']+)["'], (\{.*?\})\)""")
SETTING = re.compile(r"\bGREENROOM_[A-Z_]+[A-Z]\b")
DEPLOY = [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix != ".pyc"]
GUIDES = ROOT / "docs" / "guides"
SOCIAL = ("social.md", "ranking.md", "notifications.md")  # pages of what `greenroom.social` installs
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TOLD = [page for page in PAGES if page.name != "start.md"]  # which test_start.py walks, with an entity of its own


class Told(NamedTuple):
    """A command that a page tells one to send. `body` is None where it is not JSON as it stands."""

    kind: str
    command: str
    body: dict[str, Any] | None


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").replace("\\\n", " ")


def told(text: str) -> Iterator[Told]:
    for kind, _, command, rest in POST.findall(text):
        body = BODY.search(rest)
        yield Told(kind, command, json.loads(body[1]) if body else {})
    for method, fields in RPC.findall(text):
        entity, _, command = method.rpartition("/")
        try:
            body = json.loads(fields)
        except json.JSONDecodeError:
            body = None
        yield Told(entity.partition(":")[0], command, body)


def load(name: str, code: str, folder: Path) -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page() -> Path:
    return ROOT / "README.md"


@pytest.fixture
def kinds(tmp_path: Path, page: Path) -> Iterator[Kinds]:
    """Our own, and those that the pages build. The auction's wallet is another than the one of the sagas."""
    found = Kinds([Room, Session, Queue])
    names = []
    text = text_of(page)
    builders: tuple[Path, ...] = (ROOT / "README.md", GUIDES / "writing-an-entity.md", GUIDES / "sagas.md")
    if not any(asked.search(text) for asked in (POST, RPC, GET)):
        builders = ()  # nobody will ask for one
    for builder in (page,) if page.name == "auction.md" else builders:
        for file, code in NAMED_BLOCK.findall(builder.read_text(encoding="utf-8")):
            if not file.startswith("test_"):
                names.append(file.removesuffix(".py"))
                load(names[-1], code, tmp_path)
                for actor in find_actors(names[-1]) if "(Actor[" in code or "(Saga[" in code else ():
                    found.install(actor)
    for actor in find_actors("greenroom.social") if page.name in SOCIAL else ():
        found.install(actor)
    yield found
    for name in names:
        del sys.modules[name]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_exists_and_takes_these_fields(page: Path, kinds: Kinds) -> None:
    for kind, name, body in told(text_of(page)):
        command = kinds[kind].command(name)
        if body is not None:
            command.decode(msgspec.json.encode(body))
            assert set(body) <= set(command.message.__struct_fields__), f"{kind}/{name}: {body}"


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_address_exists(page: Path, kinds: Kinds) -> None:
    text = text_of(page)
    views: dict[str, Any] = {view.name: view for view in (Conversations, Messages, Rooms)}
    views |= {name.lower(): None for name in VIEW.findall(text)}
    views |= {view.name: view for view in views_among(find_classes("greenroom.social")) if page.name in SOCIAL}
    for where, rest in GET.findall(text):
        path, _, query = rest.partition("?")
        if where == "events":
            assert path == "" and query
            for pair in query.split("&"):
                name, _, channel = unquote(pair).partition("=")
                assert name == "channel"
                kinds[channel.partition(":")[0]]
        else:
            _, kind, _, *history = path.split("/")
            asked = {pair.partition("=")[0] for pair in query.split("&") if pair}
            if kind in views:
                assert not history or views[history[0]].across == kind
                assert asked <= {*RESERVED}
                continue
            kinds[kind]
            assert history in ([], ["history"])
            assert asked <= {"since", "limit", "reverse"}


def test_the_readme_has_examples_of_each_sort() -> None:
    """Or the tests above would pass for want of anything to look at."""
    text = text_of(ROOT / "README.md")
    assert {(one.kind, one.command) for one in told(text)} == {("room", "send"), ("applause", "clap")}
    assert sum(1 for _ in RPC.findall(text)) == 2
    assert {where for where, _ in GET.findall(text)} == {"api", "events"}


def test_the_entity_of_the_readme_works(kinds: Kinds) -> None:
    applause = sys.modules["applause"]
    kit = Kit(applause.Applause, key="finale")
    assert kit.ask(applause.Clap(times=3), user="ann").total == 3
    kit.restart()
    kit.restart(from_snapshot=True)
    assert kit.view() == {"total": 3}


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_python_and_json_can_be_parsed(page: Path) -> None:
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            ast.parse(block)
        elif language == "json":
            json.loads(block)


@cache
def settings() -> set[str]:
    return {f"GREENROOM_{field.upper()}" for field in Settings.model_fields}


@cache
def subcommands() -> set[str]:
    return set(getattr(typer.main.get_command(app), "commands", {}))


@pytest.mark.parametrize("page", [*PAGES, *DEPLOY], ids=lambda page: str(page.relative_to(ROOT)))
def test_each_setting_exists(page: Path) -> None:
    known = settings()
    named = {name for name in SETTING.findall(page.read_text(encoding="utf-8")) if "_TEST_" not in name}
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_target_and_subcommand_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|[`(]|bin/)greenroom ([a-z][a-z-]+)", text, re.MULTILINE)) <= subcommands()


@pytest.mark.parametrize(("page", "actor"), [("rooms.md", Room), ("sessions.md", Session)])
def test_the_pages_of_our_entities_are_complete(page: str, actor: type[Actor[object]]) -> None:
    """Who may send each command is on the page. Fields, publications and refusals are on the printed one, and whatever
    is named here is there too."""
    reference = ROOT / "docs" / "reference"
    text = (reference / page).read_text(encoding="utf-8")
    for message in actor.commands:
        name = tag_of(message).partition(".")[2]
        assert re.search(rf"^\|[^|]*`{name}`[^|]*\|[^|]*\w", text, re.MULTILINE), name
    named = re.compile(rf"`({actor.kind}\.[a-z_]+)`")
    assert named.search(text) is not None
    assert set(named.findall(text)) <= set(named.findall((reference / "entities.md").read_text(encoding="utf-8")))
