"""The drawing in docs/, kept true: which package, which folder and which file may import which.

Three levels. Packages: config <- store <- actors <- transports <- supervisors. Inside a package its folders and loose
files stand on floors, each importing only those below. Inside a folder no circle among files. An import under
TYPE_CHECKING counts like any other: a reader has to follow it too.
"""

import ast
import gc
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("config", "store", "actors", "transports", "supervisors")
OUTSIDE = ("tests", "bench")  # they may import anything of ours, and nothing of ours imports them
FILES_MAX = 16  # of a folder: beyond, a newcomer does not find the room
# From the ground up; what is named here is a folder or a loose file of the package.
FLOORS: dict[str, tuple[str, ...]] = {
    "config": ("bounds", "limits", "redis_url", "settings", "telemetry", "reference"),
    "store": (
        "errors",
        "keep_alive",
        "postgres",
        "migrations",
        "ownership",
        "journal",
        "jobs",
        "views",
        "erasure",
        "overview",
        "objects",
        "own",
    ),
    "actors": (
        "model",
        "personal",
        "life",
        "views",
        "sinks",
        "jobs",
        "saga",
        "schema",
        "identity",
        "inbox",
        "chat",
        "media",
        "social",
        "testing",
    ),
    "transports": (
        "errors",
        "deadlines",
        "reads",
        "codecs",
        "sockets",
        "auth",
        "bus",
        "hub",
        "views",
        "webhooks",
        "kafka",
        "notices",
        "services",
        "client",
        "carriers",
        "http",
        "media",
        "admin",
        "routes",
        "edge",
        "pages",
    ),
    "supervisors": (
        "supervision",
        "delivery",
        "kernel",
        "cluster",
        "views",
        "sinks",
        "jobs",
        "correspondence",
        "admin",
        "duties",
        "node",
        "simulation",
        "testing",
        "erasure",
        "cli",
        "__main__",
    ),
}
# Domains of actors/ speak to one another by messages; this is who may know whom.
DOMAINS = {
    "chat": {"inbox"},
    "identity": set[str](),
    "inbox": set[str](),
    "media": set[str](),
    "social": {"chat", "inbox", "media"},
}


@pytest.fixture(autouse=True)
def no_collection_while_parsing() -> Iterator[None]:
    """Python before 3.11.8 fails in `ast.parse` when a collection runs a finalizer that parses too, as one that logs a
    traceback does; another test's leftovers are enough. https://github.com/python/cpython/issues/106905
    """
    gc.disable()
    yield
    gc.enable()


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of each absolute import, with the name that is taken from it."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(name), level=0):
                yield from ((node.lineno, f"{name}.{alias.name}") for alias in node.names)


@cache
def read(path: Path) -> tuple[list[tuple[int, str]], list[int]]:
    """Of a file its absolute imports, and the lines of relative ones. Each rule asks, and it is parsed once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    relative = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    return list(imported(tree)), relative


def modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package}/ holds no module, so this test would pass whatever it said"
    return found


def ours(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line and the parts, without `greenroom`, of each import of ours; () is the public face."""
    for line, name in read(path)[0]:
        head, *parts = name.split(".")
        if head == "greenroom":
            yield line, tuple(parts if parts[:1] and parts[0] in ORDER else ())


@pytest.mark.parametrize("package", ORDER)
def test_each_package_imports_only_what_stands_before_it(package: str) -> None:
    allowed = ORDER[: ORDER.index(package) + 1]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {parts[0] if parts else 'the public face'}"
        for path in modules(package)
        for line, parts in ours(path)
        if not parts or parts[0] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("package", ORDER)
def test_nothing_of_ours_imports_by_another_name(package: str) -> None:
    """`import store` would be a second copy of everything; tests and bench are not in the wheel; no relative import."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(package)
        for line, name in read(path)[0]
        if name.split(".")[0] in ORDER + OUTSIDE
    ]
    relative = [
        f"{path.relative_to(ROOT)}:{line} imports by a relative name"
        for path in modules(package)
        for line in read(path)[1]
    ]
    assert not wrong + relative


@pytest.mark.parametrize("package", ORDER)
def test_each_folder_imports_only_what_stands_below_it(package: str) -> None:
    floors = FLOORS[package]
    wrong: list[str] = []
    for path in modules(package):
        inside = path.relative_to(ROOT / package)
        if inside == Path("__init__.py"):
            continue
        unit = inside.parts[0].removesuffix(".py")
        assert unit in floors, f"{package}/{unit} has no floor: add it to FLOORS"
        for line, parts in ours(path):
            if parts[:1] != (package,) or len(parts) < 2 or parts[1] == unit:
                continue
            other = parts[1]
            if floors.index(other) > floors.index(unit):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {package}/{other}, which stands above it")
            if unit in DOMAINS and other in DOMAINS and other not in DOMAINS[unit]:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {unit} is not to know {other}")
    assert not wrong


def test_every_floor_exists() -> None:
    gone = [
        f"{package}/{unit}"
        for package, floors in FLOORS.items()
        for unit in floors
        if not (ROOT / package / unit).is_dir() and not (ROOT / package / f"{unit}.py").is_file()
    ]
    assert not gone


def test_no_file_is_in_a_circle() -> None:
    files = {
        tuple(part.removesuffix(".py") for part in path.relative_to(ROOT).parts if part != "__init__.py"): path
        for package in ORDER
        for path in modules(package)
    }
    graph: dict[tuple[str, ...], set[tuple[str, ...]]] = {
        name: {
            target
            for _, parts in ours(path)
            if (target := parts if parts in files else parts[:-1]) in files and target != name
        }
        for name, path in files.items()
    }
    assert not [" -> ".join("/".join(name) for name in circle) for circle in circles(graph)]


def circles(graph: dict[tuple[str, ...], set[tuple[str, ...]]]) -> list[list[tuple[str, ...]]]:
    """One circle for each way back up that a walk from every node meets."""
    found: list[list[tuple[str, ...]]] = []
    done: set[tuple[str, ...]] = set()

    def walk(name: tuple[str, ...], way: list[tuple[str, ...]]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
            return
        if name in done:
            return
        for target in sorted(graph[name]):
            walk(target, [*way, name])
        done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


@pytest.mark.parametrize("package", [*ORDER, *OUTSIDE])
def test_no_folder_is_crowded(package: str) -> None:
    for folder in {path.parent for path in modules(package)}:
        if folder == ROOT / "store/migrations/versions":
            continue  # numbered, and read one after another
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= FILES_MAX, f"{folder.relative_to(ROOT)} holds {len(files)} files"


def test_every_way_of_importing_is_seen() -> None:
    source = "import a.b, c as d\ndef f():\n    from e.f import g\nfrom . import h\nfrom .i import j\n"
    assert list(imported(ast.parse(source))) == [(1, "a.b"), (1, "c"), (3, "e.f.g")]


def test_a_circle_is_found() -> None:
    a, b, c = ("a",), ("b",), ("c",)
    assert circles({a: {b}, b: {c}, c: {a}}) == [[a, b, c, a]]
    assert circles({a: {b, c}, b: {c}, c: set()}) == []


RECORDS = [ROOT / "store/journal/records.py", *(ROOT / "store/journal/consequences").glob("*.py")]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_records_do_no_io(path: Path) -> None:
    """The actor model may import them: nothing that they lead to is more than the standard library and msgspec."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        seen.add(found := todo.pop())
        for line, name in read(found)[0]:
            head, *parts = name.split(".")
            if head != "greenroom":
                assert head == "msgspec" or head in sys.stdlib_module_names, f"{found}:{line} imports {name}"
                continue
            target = ROOT.joinpath(*parts[:-1]).with_suffix(".py")
            assert target.is_file(), f"{found}:{line} imports {name}"
            todo += [target] if target not in seen else []
